//! The client behind a proxy, which the proxy names in a header of the request (`X-Forwarded-For`).

use std::net::IpAddr;

use tapwire_parsers::forwarded::forwarded_address;
use tapwire_parsers::protocol::{Direction, Protocol, Transaction, Value};

/// The buffer in which request headers stand as `name: value`.
const HEADERS: &str = "http.request_header";

/// How the address of the client behind a proxy is shown in alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// It takes the place of the proxy's address; else it is shown beside it.
    pub overwrite: bool,
    /// The proxy stands before the servers, so that the last address is the one it saw; else it stands before the clients, and the
    /// first one is the client's.
    pub reverse: bool,
    /// Name of the header.
    pub header: String,
}

impl Forwarded {
    /// The address that a transaction's request names.
    pub fn address(&self, protocol: &'static Protocol, transaction: &dyn Transaction) -> Option<IpAddr> {
        let field = protocol.fields.iter().find(|field| field.name == HEADERS)?;
        let value = (0..).map_while(|index| (field.read)(transaction.as_any(), Direction::ToServer, index)).find_map(
            |value| match value {
                Value::Bytes(line) => self.value(line),
                _ => None,
            },
        )?;
        forwarded_address(value, self.reverse)
    }

    fn value<'v>(&self, line: &'v [u8]) -> Option<&'v [u8]> {
        let name = line.get(..self.header.len())?;
        let rest = line.get(self.header.len()..)?.strip_prefix(b":")?;
        name.eq_ignore_ascii_case(self.header.as_bytes()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_line_is_found_by_its_name_in_any_case() {
        let forwarded = Forwarded { overwrite: false, reverse: false, header: "X-Forwarded-For".into() };
        for (line, value) in [
            (&b"x-forwarded-for: 10.0.0.1"[..], Some(&b" 10.0.0.1"[..])),
            (b"X-Forwarded-Forward: 10.0.0.1", None),
            (b"X-Forwarded", None),
        ] {
            assert_eq!(forwarded.value(line), value);
        }
    }
}
