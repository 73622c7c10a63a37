//! SSL 2 messages: the hello of old clients, which may lead to any later version, and the few messages of SSL 2 itself.

use super::certificates::Certificates;
use super::hello::{Hello, Reader};
use super::tables::{SSL2, SSL3, TLS13, client, server};
use super::transaction::Transaction;
use crate::protocol::Direction;

/// Message types.
mod message {
    pub(super) const ERROR: u8 = 0;
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const CLIENT_MASTER_KEY: u8 = 2;
    pub(super) const SERVER_HELLO: u8 = 4;
}

/// Whether the first octets of a direction can be an SSL 2 record with a hello: a two-octet header whose highest bit is set, and
/// the message type.
pub(super) fn begins_hello(direction: Direction, head: [u8; 3]) -> bool {
    let [first, second, kind] = head;
    let length = usize::from(first & 0x7f) << 8 | usize::from(second);
    let expected = match direction {
        Direction::ToServer => message::CLIENT_HELLO,
        Direction::ToClient => message::SERVER_HELLO,
    };
    first & 0x80 != 0 && kind == expected && length >= 9
}

/// Whether the octets are the start of an SSL 2 client hello with a known version and lengths that fit the record.
/// `None` where there are too few to tell.
pub(super) fn is_client_hello(data: &[u8]) -> Option<bool> {
    let Some(head) = data.first_chunk::<3>() else {
        return data.first().filter(|&&first| first & 0x80 == 0).map(|_| false);
    };
    if !begins_hello(Direction::ToServer, *head) {
        return Some(false);
    }
    let mut reader = Reader(data);
    let length = usize::from(reader.u16()? & 0x7fff);
    reader.u8()?;
    let version = reader.u16()?;
    let lengths = [reader.u16()?, reader.u16()?, reader.u16()?].map(usize::from);
    let [ciphers, _, challenge] = lengths;
    let sum: usize = lengths.iter().sum();
    Some(is_known(version) && ciphers % 3 == 0 && ciphers > 0 && (16..=32).contains(&challenge) && sum + 9 == length)
}

/// Takes a message. Returns whether the flow goes on in SSL 2 (rather than in records of a later version).
pub(super) fn read(transaction: &mut Transaction, direction: Direction, body: &[u8]) -> bool {
    let done = match (direction, body.first().copied()) {
        (Direction::ToServer, Some(message::CLIENT_HELLO)) => return client_hello(transaction, body).unwrap_or(true),
        (Direction::ToClient, Some(message::SERVER_HELLO)) => server_hello(transaction, body),
        (Direction::ToServer, Some(message::CLIENT_MASTER_KEY)) => {
            transaction.seen.client_key_exchange = true;
            transaction.reach_handshake_done(direction);
            Some(())
        }
        (_, Some(message::ERROR)) if !transaction.is_handshake_done(Direction::ToServer) => {
            transaction.raise("tls.error_message_encountered");
            Some(())
        }
        _ => {
            // Once the client has sent its key, all that follows is encrypted.
            if transaction.is_handshake_done(Direction::ToServer) {
                transaction.reach_handshake_done(direction);
            }
            Some(())
        }
    };
    if done.is_none() {
        transaction.raise("tls.invalid_sslv2_header");
    }
    true
}

fn client_hello(transaction: &mut Transaction, body: &[u8]) -> Option<bool> {
    let hello = read_client_hello(body);
    transaction.seen.client_hello = true;
    transaction.reach(Direction::ToServer, client::HELLO_DONE);
    match hello {
        Some(hello) => {
            let version = hello.legacy_version;
            transaction.outer_version.to_server = version;
            transaction.hello.to_server.get_or_insert_with(|| Box::new(hello));
            Some(version == SSL2)
        }
        None => {
            transaction.raise("tls.invalid_sslv2_header");
            None
        }
    }
}

fn read_client_hello(body: &[u8]) -> Option<Hello> {
    let mut reader = Reader(body);
    reader.u8()?;
    let legacy_version = reader.u16()?;
    let (ciphers, session_id, challenge) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let ciphers = reader.take(ciphers.into())?;
    let session_id = reader.take(session_id.into())?.to_vec();
    let random = reader.take(challenge.into())?.to_vec();
    // Ciphers of later versions are those whose first octet of three is 0.
    let ciphers = ciphers.chunks_exact(3).filter_map(|c| match c {
        [0, a, b] => Some(u16::from_be_bytes([*a, *b])),
        _ => None,
    });
    is_known(legacy_version).then(|| Hello {
        legacy_version,
        session_id,
        random,
        ciphers: ciphers.collect(),
        ..Hello::default()
    })
}

fn server_hello(transaction: &mut Transaction, body: &[u8]) -> Option<()> {
    transaction.seen.server_hello = true;
    transaction.reach(Direction::ToClient, server::HELLO);
    let mut reader = Reader(body);
    reader.u8()?;
    reader.take(2)?;
    transaction.outer_version.to_client = reader.u16()?;
    let (certificate, _, _) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let der = reader.take(certificate.into())?;
    if !der.is_empty() {
        let mut anomalies = Vec::new();
        transaction.certificates.to_client = Some(Box::new(Certificates::single(der, &mut anomalies)));
        anomalies.iter().for_each(|anomaly| transaction.raise(anomaly.0));
        transaction.reach(Direction::ToClient, server::CERT_DONE);
    }
    Some(())
}

fn is_known(version: u16) -> bool {
    matches!(version, SSL2 | SSL3..=TLS13)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_told_by_its_lengths() {
        let mut hello = vec![0x80, 28, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 5];
        hello.extend([9; 16]);
        assert_eq!(is_client_hello(&hello), Some(true));
        assert_eq!(is_client_hello(&hello[..6]), None);
        for (position, value) in [(1, 29), (3, 9), (6, 4), (0, 0), (2, 2)] {
            let mut wrong = hello.clone();
            wrong[position] = value;
            assert_eq!(is_client_hello(&wrong), Some(false), "octet {position}");
        }
    }
}
