//! Parameters of services in SVCB and HTTPS records (RFC 9460 section 2.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;

use crate::dns::message::short;
use crate::dns::presentation::{Writer, escape};

/// Names of parameters by their numbers (IANA service parameter keys).
const KEYS: [&str; 11] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath",
    "ohttp",
    "tls-supported-groups",
    "docpath",
];

/// Writes parameters up to the end.
pub(super) fn parameters(writer: &mut Writer<'_, '_>) -> Option<()> {
    while let Some(key) = writer.short() {
        let length = writer.short()?;
        let value = writer.take(length.into())?;
        let mut text = key_name(key).into_bytes();
        if let Some(value) = read(key, value) {
            text.push(b'=');
            text.extend(value);
        } else if !value.is_empty() {
            text.extend(b"=\"");
            escape(value, b"", &mut text);
            text.push(b'"');
        }
        writer.word(&text);
    }
    Some(())
}

fn key_name(key: u16) -> String {
    KEYS.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

/// The value of a parameter of a known form; `None` for one that is empty, of another form, or broken.
fn read(key: u16, value: &[u8]) -> Option<Vec<u8>> {
    let listed = |parts: Vec<String>| Some(parts.join(",").into_bytes()).filter(|text| !text.is_empty());
    let numbers =
        || value.len().is_multiple_of(2).then(|| (0..value.len()).step_by(2).filter_map(|at| short(value, at)));
    match key {
        0 => listed(numbers()?.map(key_name).collect()),
        1 | 10 => names(value),
        3 => value.try_into().ok().map(|port| u16::from_be_bytes(port).to_string().into_bytes()),
        4 => {
            let (addresses, []) = value.as_chunks::<4>() else { return None };
            listed(addresses.iter().map(|address| Ipv4Addr::from(*address).to_string()).collect())
        }
        5 => Some(BASE64.encode(value).into_bytes()),
        6 => {
            let (addresses, []) = value.as_chunks::<16>() else { return None };
            listed(addresses.iter().map(|address| Ipv6Addr::from(*address).to_string()).collect())
        }
        9 => listed(numbers()?.map(|group| group.to_string()).collect()),
        _ => None,
    }
}

/// Names with their length in front, in quotes: `"h3,h2"`. A comma within one has a backslash, which the quotes double.
fn names(mut value: &[u8]) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    while let Some((&length, rest)) = value.split_first() {
        let (name, rest) = rest.split_at_checked(length.into())?;
        value = rest;
        if !list.is_empty() {
            list.push(b',');
        }
        for octet in name {
            if matches!(octet, b',' | b'\\') {
                list.push(b'\\');
            }
            list.push(*octet);
        }
    }
    let mut text = b"\"".to_vec();
    escape(&list, b"", &mut text);
    text.push(b'"');
    Some(text)
}
