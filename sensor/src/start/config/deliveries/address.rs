//! Addresses of receivers: `tls://siem.example:6514`, `https://user@host/path`, `unix:/run/x.sock`.

use std::path::PathBuf;

use crate::sinks::deliver::Address;

/// What an address begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `udp://`
    Udp,
    /// `tcp://`
    Tcp,
    /// `tls://`
    Tls,
    /// `http://`
    Http,
    /// `https://`
    Https,
    /// `unix:`, or a path
    Unix,
}

/// An address that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) scheme: Scheme,
    /// Host and port; none for a path of this machine. The port is 0 where none is said.
    pub(super) address: Option<Address>,
    pub(super) has_port: bool,
    pub(super) user: Option<String>,
    /// What follows, with its slash.
    pub(super) path: String,
    /// What stands there, where it is none of these.
    text: String,
}

impl Written {
    /// Reads it; why it cannot be.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err("there is a space in it");
        }
        if let Some(path) = text.strip_prefix("unix:").or(Some(text).filter(|text| text.starts_with('/'))) {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::of(Scheme::Unix, None, path, text));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let scheme = match scheme {
            "udp" => Scheme::Udp,
            "tcp" | "redis" | "nats" | "amqp" | "kafka" | "relp" => Scheme::Tcp,
            "tls" | "rediss" | "amqps" => Scheme::Tls,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("it begins with none of udp://, tcp://, tls://, http://, https://, unix:"),
        };
        let cut = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(cut);
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err("a password has no place in it; use `secret-file`"),
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, authority),
        };
        let (host, port) = match authority.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, rest))) => (host, rest.strip_prefix(':')),
            Some(None) => return Err("its bracket is not closed"),
            // Several servers are told apart by commas; their ports are their own.
            None if authority.contains(',') => (authority, None),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err("it names no host");
        }
        let port = port.map(|port| port.parse::<u16>().map_err(|_| "its port is no number")).transpose()?;
        let usual = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
            _ => 0,
        };
        let address = Address { host: host.to_owned(), port: port.unwrap_or(usual) };
        Ok(Self { user, has_port: port.is_some(), ..Self::of(scheme, Some(address), path, text) })
    }

    /// The path of a folder.
    pub(super) fn folder(path: &str) -> Self {
        Self::of(Scheme::Unix, None, path, path)
    }

    fn of(scheme: Scheme, address: Option<Address>, path: &str, text: &str) -> Self {
        Self { scheme, address, has_port: false, user: None, path: path.to_owned(), text: text.to_owned() }
    }

    /// Host and port, with the port that is usual where none is said.
    pub(super) fn address_or(&self, port: u16) -> Option<Address> {
        let address = self.address.clone()?;
        Some(if address.port == 0 { Address { port, ..address } } else { address })
    }

    /// The path of a socket.
    pub(super) fn socket(&self) -> PathBuf {
        PathBuf::from(&self.path)
    }

    /// As it is shown.
    pub(super) fn shown(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as HTTP begins with.
    pub(super) fn base(&self) -> Option<String> {
        let address = self.address.as_ref()?;
        let (scheme, usual) = match self.scheme {
            Scheme::Http => ("http", 80),
            Scheme::Https => ("https", 443),
            _ => return None,
        };
        let text = address.to_string();
        let suffix = format!(":{usual}");
        Some(format!("{scheme}://{}", text.strip_suffix(&suffix).filter(|_| address.port == usual).unwrap_or(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_how_and_where_and_never_a_password() {
        for (text, scheme, host, port, base) in [
            ("tls://siem.example:6514", Scheme::Tls, "siem.example", 6514, None),
            ("udp://[2001:db8::1]:514", Scheme::Udp, "2001:db8::1", 514, None),
            ("siem:601", Scheme::Tcp, "siem", 601, None),
            ("https://h/x/y?z", Scheme::Https, "h", 443, Some("https://h")),
            ("http://[::1]:8080", Scheme::Http, "::1", 8080, Some("http://[::1]:8080")),
        ] {
            let written = Written::read(text).unwrap();
            assert_eq!(written.address, Some(Address { host: host.into(), port }), "{text}");
            assert_eq!((written.scheme, written.base().as_deref()), (scheme, base), "{text}");
        }
        assert_eq!(Written::read("https://h/x?z").unwrap().path, "/x?z");
        assert_eq!(Written::read("http://me@proxy").unwrap().user.as_deref(), Some("me"));
        for text in ["unix:/run/x", "unix:///run/x", "/run/x"] {
            assert_eq!(Written::read(text).unwrap().socket(), PathBuf::from("/run/x"), "{text}");
        }
        for wrong in ["tls://", "ftp://x", "tls://a:b", "https://me:pw@h", "a b", "udp://[::1"] {
            assert!(Written::read(wrong).is_err(), "{wrong}");
        }
    }
}
