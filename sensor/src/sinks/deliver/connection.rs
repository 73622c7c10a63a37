//! A connection to a receiver: over TCP, with TLS or without, through a proxy or not, or a socket of this machine. Every call ends in time.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::secret::Secret;
use super::tls::Tls;
use super::transport::Trouble;

/// Bytes of the longest answer of a proxy.
const PROXY_ANSWER: usize = 8 << 10;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(formatter, "{open}{}{close}:{}", self.host, self.port)
    }
}

impl Address {
    /// Addresses of the host at this moment.
    pub(super) fn resolve(&self) -> Result<Vec<SocketAddr>, Trouble> {
        let found = (&*self.host, self.port).to_socket_addrs();
        found.map(Iterator::collect).map_err(|error| Trouble::away(format!("{}: {error}", self.host)))
    }
}

/// Where a receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a port of TCP.
    Tcp(Address),
    /// The same with TLS.
    Tls(Address),
    /// Behind a socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) | Self::Tls(address) => address.fmt(formatter),
            Self::Unix(path) => path.display().fmt(formatter),
        }
    }
}

/// A proxy that connects to others (`CONNECT` of HTTP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is.
    pub address: Address,
    /// What it wants to know of whoever asks.
    pub user: Option<String>,
    /// The password of that.
    pub password: Option<Secret>,
}

/// How a receiver is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it is.
    pub place: Place,
    /// What is said of TLS.
    pub tls: Tls,
    /// Who is between.
    pub proxy: Option<Proxy>,
    /// How long one step may take.
    pub timeout: Duration,
}

/// A connection.
pub(super) enum Connection {
    /// TCP.
    Plain(TcpStream),
    /// TCP with TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// A socket of this machine.
    Unix(UnixStream),
}

impl Connection {
    /// Connects.
    pub(super) fn open(route: &Route) -> Result<Self, Trouble> {
        let (address, has_tls) = match &route.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(route.timeout))?;
                stream.set_write_timeout(Some(route.timeout))?;
                return Ok(Self::Unix(stream));
            }
            Place::Tcp(address) => (address, false),
            Place::Tls(address) => (address, true),
        };
        let through = route.proxy.as_ref().map_or(address, |proxy| &proxy.address);
        let mut stream = connect(through, route.timeout)?;
        if let Some(proxy) = &route.proxy {
            ask(&mut stream, proxy, address)?;
        }
        let plain = Self::Plain(stream);
        if has_tls { plain.secured(route) } else { Ok(plain) }
    }

    /// Begins TLS on a connection over TCP that has none.
    pub(super) fn secured(self, route: &Route) -> Result<Self, Trouble> {
        let (Self::Plain(stream), Place::Tls(address) | Place::Tcp(address)) = (self, &route.place) else {
            return Err(Trouble::away("it has TLS already"));
        };
        let name = route.tls.name.as_ref().unwrap_or(&address.host).clone();
        let name = ServerName::try_from(name).map_err(|error| Trouble::away(error.to_string()))?;
        let client = ClientConnection::new(route.tls.client()?, name);
        let client = client.map_err(|error| Trouble::away(error.to_string()))?;
        let mut stream = StreamOwned::new(client, stream);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// Whether the other end closed it, or said something that nobody asked for; nothing is waited for.
    pub(super) fn is_over(&mut self) -> bool {
        let mut byte = [0];
        let looked = match self {
            Self::Plain(stream) => now(stream, |stream| stream.peek(&mut byte)),
            Self::Unix(stream) => {
                let looked = stream.set_nonblocking(true).and_then(|()| stream.read(&mut byte));
                stream.set_nonblocking(false).ok();
                looked
            }
            Self::Tls(stream) => {
                let looked = stream.sock.set_nonblocking(true).and_then(|()| stream.read(&mut byte));
                stream.sock.set_nonblocking(false).ok();
                looked
            }
        };
        match looked {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

fn now(stream: &TcpStream, look: impl FnOnce(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let looked = look(stream);
    stream.set_nonblocking(false)?;
    looked
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}

fn connect(address: &Address, timeout: Duration) -> Result<TcpStream, Trouble> {
    let mut last = None;
    for found in address.resolve()? {
        match TcpStream::connect_timeout(&found, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Trouble::away(format!("{} has no address", address.host)), Trouble::from))
}

/// Asks a proxy to connect.
fn ask(stream: &mut TcpStream, proxy: &Proxy, address: &Address) -> Result<(), Trouble> {
    let mut text = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
    if let Some(user) = &proxy.user {
        let password = proxy.password.as_ref().map(Secret::read).transpose()?.unwrap_or_default();
        let credentials = BASE64.encode(format!("{user}:{password}").as_bytes());
        text.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    let mut byte = [0];
    // Byte by byte: what follows belongs to whoever is behind the proxy.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= PROXY_ANSWER || stream.read(&mut byte)? == 0 {
            return Err(Trouble::away(format!("the proxy {} gives no answer", proxy.address)));
        }
        answer.extend_from_slice(&byte);
    }
    let status = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(Trouble::away(format!("the proxy {} says {status}", proxy.address))),
    }
}
