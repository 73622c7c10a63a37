//! Syslog (RFC 5424, and RFC 3164 for those that know no other) over UDP, TCP, TLS (RFC 5425, RFC 6587) and a socket of this machine.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::stream::Stream;
use crate::capture::clock;
use crate::sinks::deliver::connection::{Address, Route};
use crate::sinks::deliver::head::Head;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble, all_delivered, set};

/// The header of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// `<134>1 2019-12-22T12:33:20.837Z host suricata - alert - `
    #[default]
    Rfc5424,
    /// `<134>Dec 22 12:33:20 host suricata: `
    Rfc3164,
    /// `<134>Dec 22 12:33:20 suricata: `, which is how it is spoken within a machine
    Local,
}

/// How messages are told apart in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Their length stands before them.
    #[default]
    OctetCounting,
    /// A line feed stands behind them.
    LineFeed,
}

/// What messages look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The header.
    pub header: Header,
    /// How they are told apart.
    pub framing: Framing,
    /// The program that they name.
    pub identity: String,
    /// The facility.
    pub facility: u8,
    /// The level of all of them, where it does not follow from the severity of an alert.
    pub level: Option<u8>,
    /// The host that they name where a record names none.
    pub host: String,
    /// What stands before a record, such as `@cee: `.
    pub prefix: String,
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// To a port of UDP.
    Udp(Address),
    /// Through a stream.
    Stream(Box<Route>),
    /// To a socket of datagrams on this machine.
    Datagrams(PathBuf),
}

/// Facilities by number.
pub const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// Levels by number.
pub const LEVELS: [&str; 8] = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Info", "Debug"];

/// Sends records as messages of syslog.
pub struct Syslog {
    look: Look,
    way: Way,
    timeout: Duration,
    text: Vec<u8>,
}

enum Way {
    Udp { address: Address, socket: Option<UdpSocket> },
    Stream(Box<Stream>),
    Datagrams { path: PathBuf, socket: Option<UnixDatagram> },
}

impl Syslog {
    /// One that is not connected yet.
    pub fn new(look: Look, to: To, timeout: Duration) -> Self {
        let way = match to {
            To::Udp(address) => Way::Udp { address, socket: None },
            To::Stream(route) => Way::Stream(Box::new(Stream::new(*route))),
            To::Datagrams(path) => Way::Datagrams { path, socket: None },
        };
        Self { look, way, timeout, text: Vec::new() }
    }
}

impl Transport for Syslog {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let mut one = Vec::new();
        if let Way::Stream(stream) = &mut self.way {
            self.text.clear();
            for item in items {
                one.clear();
                message(&mut one, &self.look, item);
                match self.look.framing {
                    Framing::OctetCounting => {
                        self.text.extend_from_slice(format!("{} ", one.len()).as_bytes());
                        self.text.extend_from_slice(&one);
                    }
                    Framing::LineFeed => {
                        self.text.extend_from_slice(&one);
                        self.text.push(b'\n');
                    }
                }
            }
            stream.write(&mut self.text)?;
            all_delivered(answers);
            return Ok(());
        }
        for (place, item) in items.iter().enumerate() {
            one.clear();
            message(&mut one, &self.look, item);
            let sent = match &mut self.way {
                Way::Udp { address, socket } => send_udp(address, socket, &one),
                Way::Datagrams { path, socket } => send_datagram(path, socket, self.timeout, &one),
                Way::Stream(_) => Ok(()),
            };
            set(answers, place, answer(sent, one.len())?);
        }
        Ok(())
    }
}

/// What it means that a datagram was sent or not.
pub(super) fn answer(sent: Result<(), Trouble>, bytes: usize) -> Result<Answer, Trouble> {
    match sent {
        Ok(()) => Ok(Answer::Delivered),
        Err(Trouble::Refused(_)) => Ok(Answer::Refused(format!("{bytes} bytes are more than a datagram holds"))),
        Err(trouble) => Err(trouble),
    }
}

fn send_udp(address: &Address, socket: &mut Option<UdpSocket>, bytes: &[u8]) -> Result<(), Trouble> {
    let open = match socket {
        Some(open) => open,
        None => {
            let to = address.resolve()?;
            let any = if to.first().is_some_and(std::net::SocketAddr::is_ipv6) { "[::]:0" } else { "0.0.0.0:0" };
            let fresh = UdpSocket::bind(any)?;
            fresh.connect(&*to)?;
            socket.insert(fresh)
        }
    };
    judged(open.send(bytes)).inspect_err(|trouble| {
        if matches!(trouble, Trouble::Away { .. }) {
            *socket = None;
        }
    })
}

/// Sends a datagram to a socket of this machine.
pub(super) fn send_datagram(
    path: &PathBuf,
    socket: &mut Option<UnixDatagram>,
    timeout: Duration,
    bytes: &[u8],
) -> Result<(), Trouble> {
    let open = match socket {
        Some(open) => open,
        None => {
            let fresh = UnixDatagram::unbound()?;
            fresh.connect(path)?;
            fresh.set_write_timeout(Some(timeout))?;
            socket.insert(fresh)
        }
    };
    judged(open.send(bytes)).inspect_err(|trouble| {
        if matches!(trouble, Trouble::Away { .. }) {
            *socket = None;
        }
    })
}

fn judged(sent: std::io::Result<usize>) -> Result<(), Trouble> {
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => {
            Err(Trouble::Refused(String::new()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a message.
pub(super) fn message(out: &mut Vec<u8>, look: &Look, item: &Item<'_>) {
    let head = &item.head;
    let priority = u16::from(look.facility) * 8 + u16::from(look.level.unwrap_or_else(|| level(head)));
    let host = if head.host.is_empty() { &look.host } else { &*head.host };
    let time = head.time_us().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()).unwrap_or_else(now);
    match look.header {
        Header::Rfc5424 => {
            // Milliseconds: some receivers know no more digits.
            let time = time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
            let (host, identity, kind) = (name(host, 255), name(&look.identity, 48), name(&head.event_type, 32));
            out.extend_from_slice(format!("<{priority}>1 {time} {host} {identity} - {kind} - ").as_bytes());
        }
        Header::Rfc3164 | Header::Local => {
            out.extend_from_slice(format!("<{priority}>{} ", time.strftime("%b %e %H:%M:%S")).as_bytes());
            if look.header == Header::Rfc3164 {
                out.extend_from_slice(format!("{} ", name(host, 255)).as_bytes());
            }
            // What names itself stands where the program would: forwarders sort by it.
            if !item.body.starts_with(b"CEF:") && !item.body.starts_with(b"LEEF:") {
                out.extend_from_slice(format!("{}: ", name(&look.identity, 32)).as_bytes());
            }
        }
    }
    out.extend_from_slice(look.prefix.as_bytes());
    out.extend_from_slice(item.body);
}

fn now() -> jiff::Timestamp {
    i64::try_from(clock::now().0).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()).unwrap_or_default()
}

fn level(head: &Head<'_>) -> u8 {
    match head.severity() {
        1 => 3,
        2 => 4,
        3 => 5,
        _ => 6,
    }
}

/// A name of a header: printable, without spaces, of bounded length, and a dash where there is none.
fn name(text: &str, limit: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(limit).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(header: Header) -> Look {
        Look {
            header,
            framing: Framing::LineFeed,
            identity: "suricata".into(),
            facility: 20,
            level: None,
            host: "sensor 1\n".into(),
            prefix: String::new(),
        }
    }

    #[test]
    fn headers_say_when_who_and_how_grave() {
        let line = br#"{"timestamp":"2019-12-02T12:33:20.837297+0000","event_type":"alert","alert":{"severity":1}}"#;
        for (header, body, expected) in [
            (Header::Rfc5424, "{}", "<163>1 2019-12-02T12:33:20.837Z sensor1 suricata - alert - {}"),
            (Header::Rfc3164, "{}", "<163>Dec  2 12:33:20 sensor1 suricata: {}"),
            (Header::Local, "{}", "<163>Dec  2 12:33:20 suricata: {}"),
            (Header::Rfc3164, "CEF:0|a|", "<163>Dec  2 12:33:20 sensor1 CEF:0|a|"),
        ] {
            let mut out = Vec::new();
            message(&mut out, &look(header), &Item { body: body.as_bytes(), ..Item::of(line) });
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_datagram_that_is_too_long_is_refused_and_the_others_go() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = Address { host: "127.0.0.1".into(), port: receiver.local_addr().unwrap().port() };
        let mut syslog = Syslog::new(look(Header::Rfc5424), To::Udp(to), Duration::from_secs(1));
        let long = vec![b'x'; 70_000];
        let item = |body| Item { body, ..Item::of(b"{}") };
        let mut answers = vec![Answer::Open; 3];
        syslog.send(&[item(b"a"), item(&long), item(b"c")], &mut answers).unwrap();
        assert!(matches!(&answers[..], [Answer::Delivered, Answer::Refused(_), Answer::Delivered]), "{answers:?}");
        let mut bytes = [0; 100];
        for last in *b"ac" {
            let length = receiver.recv(&mut bytes).unwrap();
            assert_eq!(bytes[length - 1], last);
        }
    }
}
