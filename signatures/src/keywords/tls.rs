//! Conditions on TLS transactions beside their sticky buffers.

use tapwire_parsers::protocol::{Both, Direction, Transaction};
use tapwire_parsers::tls::Transaction as Tls;

use super::packet_number::HINT;
use super::{Keyword, buffers, content};
use crate::builder::{Argument, Builder};
use crate::rule::Buffer;
use crate::rule::condition::TransactionCondition;
use crate::rule::fault::Fault;
use crate::rule::number::NumberTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "tls.subject",
        aliases: &[],
        doc: "With a value, whether it is in the subject of the certificate; without one, the sticky buffer `tls.cert_subject`.",
        examples: &["tls.subject:\"CN=x\""],
        parse: |b, a| in_certificate(b, a, "tls.cert_subject"),
    },
    Keyword {
        name: "tls.issuerdn",
        aliases: &[],
        doc: "With a value, whether it is in the issuer of the certificate; without one, the sticky buffer `tls.cert_issuer`.",
        examples: &["tls.issuerdn:!\"CN=x\""],
        parse: |b, a| in_certificate(b, a, "tls.cert_issuer"),
    },
    Keyword {
        name: "tls.fingerprint",
        aliases: &[],
        doc: "With a value, whether it is in the fingerprint of the certificate, lower-case hex with colons; without one, the sticky buffer `tls.cert_fingerprint`.",
        examples: &["tls.fingerprint:\"4a:a3:66:76:82:cb:6b:23:bb:c3:58:47:23:a4:63:a7:78:a4:a1:18\""],
        parse: |b, a| in_certificate(b, a, "tls.cert_fingerprint"),
    },
    Keyword {
        name: "tls.version",
        aliases: &[],
        doc: "Holds for one version of TLS.",
        examples: &["tls.version:1.2"],
        parse: version,
    },
    Keyword {
        name: "ssl_version",
        aliases: &[],
        doc: "Holds for any of several versions (sslv2, sslv3, tls1.0 to tls1.3), or for none of those with an exclamation mark.",
        examples: &["ssl_version:sslv3", "ssl_version:tls1.0,tls1.1", "ssl_version:!tls1.0"],
        parse: version,
    },
    Keyword {
        name: "ssl_state",
        aliases: &[],
        doc: "Holds when one of these messages was seen: client_hello, server_hello, client_keyx, server_keyx, unknown.",
        examples: &["ssl_state:client_hello", "ssl_state:server_hello|server_keyx"],
        parse: state,
    },
    Keyword {
        name: "tls.cert_chain_len",
        aliases: &[],
        doc: "Tests the number of certificates.",
        examples: &["tls.cert_chain_len:3", "tls.cert_chain_len:0<>4"],
        parse: |b, a| {
            let test = NumberTest::parse(a.required()?).map_err(|m| a.fault(m, HINT))?;
            push(b, CERTIFICATE, Test::ChainLength(test))
        },
    },
    Keyword {
        name: "tls_cert_notbefore",
        aliases: &[],
        doc: "Tests the start of the certificate's validity.",
        examples: &["tls_cert_notbefore:1998-05-01<>2008-05-01", "tls_cert_notbefore:<2020"],
        parse: |b, a| push(b, CERTIFICATE, Test::NotBefore(dates(a)?)),
    },
    Keyword {
        name: "tls_cert_notafter",
        aliases: &[],
        doc: "Tests the end of the certificate's validity.",
        examples: &["tls_cert_notafter:>2015"],
        parse: |b, a| push(b, CERTIFICATE, Test::NotAfter(dates(a)?)),
    },
    Keyword {
        name: "tls_cert_expired",
        aliases: &[],
        doc: "Holds for certificates whose validity is over.",
        examples: &["tls_cert_expired"],
        parse: |b, a| later(b, a, "tls_cert_expired"),
    },
    Keyword {
        name: "tls_cert_valid",
        aliases: &[],
        doc: "Holds for certificates that are within their validity.",
        examples: &["tls_cert_valid"],
        parse: |b, a| later(b, a, "tls_cert_valid"),
    },
    Keyword {
        name: "tls.store",
        aliases: &["tls_store"],
        doc: "Keeps the certificates of a matching connection. Where they go is said by the output tls-store.",
        examples: &["tls.store", "tls_store"],
        parse: |b, a| {
            a.none()?;
            b.rule.keeps_certificates = true;
            push(b, ANY, Test::Any)
        },
    },
];

/// From the first byte on, in either direction.
const ANY: Both<Option<u8>> = Both { to_server: Some(0), to_client: Some(0) };
/// The progress at which a hello was read, in either direction.
const HELLO: Both<Option<u8>> = Both { to_server: Some(1), to_client: Some(1) };
/// The progress at which certificates were read, in either direction.
const CERTIFICATE: Both<Option<u8>> = Both { to_server: Some(2), to_client: Some(2) };

#[derive(Debug)]
enum Test {
    /// Whatever it is, as long as it is TLS.
    Any,
    Version {
        any_of: Vec<u16>,
        none_of: Vec<u16>,
    },
    State(Vec<(State, bool)>),
    ChainLength(NumberTest),
    NotBefore(NumberTest),
    NotAfter(NumberTest),
}

#[derive(Clone, Copy, Debug)]
enum State {
    ClientHello,
    ServerHello,
    ClientKeyExchange,
    ServerKeyExchange,
    Unknown,
}

#[derive(Debug)]
struct TlsCondition {
    from: Both<Option<u8>>,
    test: Test,
}

impl TransactionCondition for TlsCondition {
    fn protocol(&self) -> &'static str {
        "tls"
    }

    fn from(&self) -> Both<Option<u8>> {
        self.from
    }

    fn holds(&self, transaction: &dyn Transaction, direction: Direction) -> bool {
        let Some(tls) = transaction.as_any().downcast_ref::<Tls>() else { return false };
        // A date before 1970 counts as its first second: certificates are younger.
        let date = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
        match &self.test {
            Test::Any => true,
            Test::Version { any_of, none_of } => {
                let version = tls.version(direction);
                let named = any_of.contains(&version)
                    || (any_of.is_empty() || !none_of.is_empty()) && !none_of.contains(&version);
                version != 0 && named
            }
            Test::State(states) => states.iter().any(|(state, negated)| state.is_seen(tls) != *negated),
            Test::ChainLength(test) => {
                tls.certificates(direction).is_some() && test.holds(tls.chain_length(direction) as u64)
            }
            Test::NotBefore(test) => tls.not_before(direction).is_some_and(|start| test.holds(date(start))),
            Test::NotAfter(test) => tls.not_after(direction).is_some_and(|end| test.holds(date(end))),
        }
    }
}

impl State {
    fn is_seen(self, tls: &Tls) -> bool {
        let seen = tls.seen();
        match self {
            State::ClientHello => seen.client_hello,
            State::ServerHello => seen.server_hello,
            State::ClientKeyExchange => seen.client_key_exchange,
            State::ServerKeyExchange => seen.server_key_exchange,
            State::Unknown => seen.unknown,
        }
    }
}

fn push(builder: &mut Builder<'_>, from: Both<Option<u8>>, test: Test) -> Result<(), Fault> {
    builder.rule.transaction.push(Box::new(TlsCondition { from, test }));
    Ok(())
}

/// The time of the packet is not known to conditions on transactions.
fn in_certificate(builder: &mut Builder<'_>, argument: &Argument<'_>, name: &'static str) -> Result<(), Fault> {
    if argument.text.is_none() {
        return buffers::enter(builder, argument, name);
    }
    builder.enter(buffers::resolve(name), argument.span.clone());
    content::push(builder, argument)?;
    builder.enter(Buffer::Payload, argument.span.clone());
    Ok(())
}

fn later(builder: &mut Builder<'_>, argument: &Argument<'_>, name: &'static str) -> Result<(), Fault> {
    argument.none()?;
    builder.rule.later.push(name);
    Ok(())
}

fn version(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let (mut any_of, mut none_of) = (Vec::new(), Vec::new());
    for word in argument.required()?.trim_matches('"').split(',').map(|word| word.trim().to_ascii_lowercase()) {
        let (name, list) = word.strip_prefix('!').map_or((word.as_str(), &mut any_of), |name| (name, &mut none_of));
        list.push(match name.trim().strip_prefix("tls").unwrap_or(name.trim()) {
            "sslv2" => 0x0002,
            "sslv3" => 0x0300,
            "1.0" => 0x0301,
            "1.1" => 0x0302,
            "1.2" => 0x0303,
            "1.3" => 0x0304,
            _ => {
                return Err(
                    argument.fault(format!("`{name}` is no version"), "sslv2, sslv3, tls1.0, tls1.1, tls1.2 or tls1.3")
                );
            }
        });
    }
    push(builder, HELLO, Test::Version { any_of, none_of })
}

fn state(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut states = Vec::new();
    for word in argument.required()?.split(['|', ',']).map(str::trim) {
        let (name, negated) = word.strip_prefix('!').map_or((word, false), |name| (name.trim(), true));
        let state = match name {
            "client_hello" => State::ClientHello,
            "server_hello" => State::ServerHello,
            "client_keyx" => State::ClientKeyExchange,
            "server_keyx" => State::ServerKeyExchange,
            "unknown" => State::Unknown,
            _ => {
                return Err(argument.fault(
                    format!("`{name}` is no state"),
                    "client_hello, server_hello, client_keyx, server_keyx or unknown",
                ));
            }
        };
        states.push((state, negated));
    }
    // Each message can be seen from its own direction's progress on.
    let from = states.iter().fold(Both { to_server: None, to_client: None }, |from: Both<Option<u8>>, (state, _)| {
        let earlier = |now: Option<u8>, at: u8| Some(now.map_or(at, |now| now.min(at)));
        match state {
            State::ClientHello => Both { to_server: earlier(from.to_server, 1), ..from },
            State::ClientKeyExchange => Both { to_server: earlier(from.to_server, 3), ..from },
            State::ServerHello => Both { to_client: earlier(from.to_client, 1), ..from },
            State::ServerKeyExchange => Both { to_client: earlier(from.to_client, 3), ..from },
            State::Unknown => Both { to_server: earlier(from.to_server, 3), to_client: earlier(from.to_client, 4) },
        }
    });
    push(builder, from, Test::State(states))
}

fn dates(argument: &Argument<'_>) -> Result<NumberTest, Fault> {
    let hint = "such as `>2020-01-31`, `2020-01-31 12:30:00` or `2019<>2020`";
    let text = argument.required()?.trim_matches('"');
    let at = |text: &str| date(text.trim()).ok_or_else(|| argument.fault(format!("`{text}` is no date"), hint));
    if let Some((start, end)) = text.split_once("<>") {
        let (start, end) = (at(start)?, at(end)?);
        return if start < end {
            Ok(NumberTest::Between(start, end))
        } else {
            Err(argument.fault("the range is empty", hint))
        };
    }
    match (text.strip_prefix('<'), text.strip_prefix('>')) {
        (Some(end), _) => Ok(NumberTest::Less(at(end)?)),
        (_, Some(start)) => Ok(NumberTest::Greater(at(start)?)),
        _ => Ok(NumberTest::Equal(at(text)?)),
    }
}

/// Seconds since 1970 of a date of which the end may be left off: `2020`, `2020-01-31 12:30:00`.
fn date(text: &str) -> Option<u64> {
    let mut parts = text.split(['-', 'T', ' ', ':']).map(|part| part.parse::<u64>().ok());
    let mut next = |default: u64, range: std::ops::RangeInclusive<u64>| match parts.next() {
        None => Some(default),
        Some(number) => number.filter(|n| range.contains(n)),
    };
    let (year, month, day) = (next(0, 1970..=9999)?, next(1, 1..=12)?, next(1, 1..=31)?);
    let (hour, minute, second) = (next(0, 0..=23)?, next(0, 0..=59)?, next(0, 0..=60)?);
    if parts.next().is_some() || year == 0 {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(719_468).map(|days| days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds() {
        for (text, seconds) in [
            ("1970", Some(0)),
            ("2000-03-01", Some(951_868_800)),
            ("2000-02-29", Some(951_782_400)),
            ("2015-10-22T23:59:59", Some(1_445_558_399)),
            ("2015-10-22 23:59", Some(1_445_558_340)),
            ("2015-13", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(date(text), seconds, "{text}");
        }
    }
}
