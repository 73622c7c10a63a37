//! What is kept of a flow: one transaction, from the first hello to the end.

use std::any::Any;

use super::certificates::Certificates;
use super::fingerprint::{Ja3, ja3, ja3s, ja4};
use super::hello::Hello;
use super::tables::{client, is_tls13, server};
use crate::protocol::{self, Anomaly, Both, Carrier, Direction, held};

/// The random value that makes a server hello a request for another client hello (RFC 8446, section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Messages that were seen, in either direction, for conditions on the state of the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// A client hello.
    pub client_hello: bool,
    /// A server hello.
    pub server_hello: bool,
    /// A client key exchange.
    pub client_key_exchange: bool,
    /// A server key exchange.
    pub server_key_exchange: bool,
    /// A handshake message of an unknown type.
    pub unknown: bool,
}

/// Which fingerprints are computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprints {
    pub(super) ja3: bool,
    pub(super) ja4: bool,
}

/// A TLS flow.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The protocol that the flow spoke before.
    pub(super) before: Option<&'static str>,
    pub(super) hello: Both<Option<Box<Hello>>>,
    pub(super) certificates: Both<Option<Box<Certificates>>>,
    pub(super) ja3: Both<Option<Ja3>>,
    pub(super) ja4: Option<String>,
    pub(super) seen: Seen,
    /// Version of the first SSL 2 hello, or of the first record of a direction where no hello was read.
    pub(super) outer_version: Both<u16>,
    /// The server asked for a certificate.
    pub(super) certificate_requested: bool,
    /// The server sent what it does not send where it takes up an earlier handshake: a certificate, its key, the end of its hello.
    pub(super) is_full: bool,
    /// The server answered with an alert before it chose anything.
    pub(super) refused: bool,
    retried: bool,
    progress: Both<u8>,
    anomalies: Vec<Anomaly>,
}

impl Transaction {
    /// That of a flow which spoke another protocol before.
    pub(super) fn after(before: Option<&'static str>) -> Self {
        Self { before, ..Self::default() }
    }

    /// The version that a direction spoke: chosen by the server, highest offered by the client; 0 where unknown.
    pub fn version(&self, direction: Direction) -> u16 {
        self.hello.of(direction).as_ref().map_or(*self.outer_version.of(direction), |hello| hello.version())
    }

    /// The version of the flow: the server's choice, or what the client offers before there is one; 0 where the server refused.
    pub fn negotiated_version(&self) -> u16 {
        match self.version(Direction::ToClient) {
            0 if self.refused => 0,
            0 => self.version(Direction::ToServer),
            version => version,
        }
    }

    /// Certificates that a side sent (that of the server travels to client).
    pub fn certificates(&self, direction: Direction) -> Option<&Certificates> {
        self.certificates.of(direction).as_deref()
    }

    /// Start of the validity of a side's certificate, in seconds since 1970.
    pub fn not_before(&self, direction: Direction) -> Option<i64> {
        self.certificates(direction)?.leaf.as_ref()?.not_before
    }

    /// End of the validity of a side's certificate, in seconds since 1970.
    pub fn not_after(&self, direction: Direction) -> Option<i64> {
        self.certificates(direction)?.leaf.as_ref()?.not_after
    }

    /// How many certificates a side sent.
    pub fn chain_length(&self, direction: Direction) -> usize {
        self.certificates(direction).map_or(0, |certificates| certificates.chain.len())
    }

    /// The handshake messages that were seen.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Whether an earlier handshake was taken up again: up to TLS 1.2, a server that sends nothing but a hello knows the client.
    pub fn is_resumed(&self) -> bool {
        let version = self.version(Direction::ToClient);
        self.seen.server_hello && !self.is_full && version >> 8 == 3 && !is_tls13(version)
    }

    /// The server name that the client asked for.
    pub fn server_name(&self) -> Option<&[u8]> {
        self.hello.to_server.as_ref()?.sni.as_deref()
    }

    pub(super) fn raise(&mut self, name: &'static str) {
        let anomaly = Anomaly(name);
        // Each kind is told once in a flow, which also bounds the list.
        if !self.anomalies.contains(&anomaly) {
            self.anomalies.push(anomaly);
        }
    }

    pub(super) fn reach(&mut self, direction: Direction, progress: u8) {
        let current = self.progress.of_mut(direction);
        *current = progress.max(*current);
    }

    pub(super) fn finish(&mut self, direction: Direction) {
        self.reach(
            direction,
            match direction {
                Direction::ToServer => client::FINISHED,
                Direction::ToClient => server::FINISHED,
            },
        );
    }

    pub(super) fn reach_handshake_done(&mut self, direction: Direction) {
        self.reach(
            direction,
            match direction {
                Direction::ToServer => client::HANDSHAKE_DONE,
                Direction::ToClient => server::HANDSHAKE_DONE,
            },
        );
    }

    pub(super) fn is_handshake_done(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.progress.to_server >= client::HANDSHAKE_DONE,
            Direction::ToClient => self.progress.to_client >= server::HANDSHAKE_DONE,
        }
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.hello.to_client.as_ref().is_some_and(|hello| is_tls13(hello.version()))
    }

    pub(super) fn client_hello(&mut self, body: &[u8], fingerprints: Fingerprints) {
        let mut anomalies = Vec::new();
        match Hello::client(body, &mut anomalies) {
            // What a second hello repeats after a retry is known; fingerprints are those of the first.
            Some(_) if self.hello.to_server.is_some() => {}
            Some(hello) => {
                self.ja3.to_server = fingerprints.ja3.then(|| ja3(&hello));
                self.ja4 = fingerprints.ja4.then(|| ja4(&hello, Carrier::Tcp));
                self.hello.to_server = Some(Box::new(hello));
            }
            None => self.raise("tls.invalid_handshake_message"),
        }
        anomalies.iter().for_each(|anomaly| self.raise(anomaly.0));
        self.seen.client_hello = true;
        self.reach(Direction::ToServer, client::HELLO_DONE);
    }

    pub(super) fn server_hello(&mut self, body: &[u8], fingerprints: Fingerprints) {
        let mut anomalies = Vec::new();
        match Hello::server(body, &mut anomalies) {
            Some(hello) if self.hello.to_client.is_none() || self.retried => {
                self.retried = hello.random == RETRY_RANDOM;
                if self.ja3.to_client.is_none() {
                    self.ja3.to_client = fingerprints.ja3.then(|| ja3s(&hello));
                }
                self.hello.to_client = Some(Box::new(hello));
            }
            Some(_) => {}
            None => self.raise("tls.invalid_handshake_message"),
        }
        anomalies.iter().for_each(|anomaly| self.raise(anomaly.0));
        self.seen.server_hello = true;
        self.reach(Direction::ToClient, server::HELLO);
    }

    pub(super) fn certificate(&mut self, direction: Direction, body: &[u8], is_cut: bool) {
        self.is_full |= direction == Direction::ToClient;
        if self.certificates.of(direction).is_none() {
            let mut anomalies = Vec::new();
            *self.certificates.of_mut(direction) = Certificates::read(body, is_cut, &mut anomalies).map(Box::new);
            anomalies.iter().for_each(|anomaly| self.raise(anomaly.0));
        }
        self.reach(
            direction,
            match direction {
                Direction::ToServer => client::CERT_DONE,
                Direction::ToClient => server::CERT_DONE,
            },
        );
    }

    /// A direction switches to encryption.
    pub(super) fn change_cipher_spec(&mut self, direction: Direction) {
        match direction {
            Direction::ToServer => {
                if self.seen.server_hello && !self.retried || self.seen.client_key_exchange {
                    self.reach_handshake_done(direction);
                }
            }
            Direction::ToClient => {
                if !self.is_tls13() {
                    self.reach_handshake_done(direction);
                }
            }
        }
    }
}

impl protocol::Transaction for Transaction {
    fn progress(&self, direction: Direction) -> u8 {
        *self.progress.of(direction)
    }

    fn is_complete(&self) -> bool {
        self.progress.to_server == client::FINISHED && self.progress.to_client == server::FINISHED
    }

    fn is_recordable(&self) -> bool {
        // After its hello is done, neither side adds anything unless the client was asked for a certificate.
        let client_done = self.progress.to_server >= client::HANDSHAKE_DONE
            || !self.certificate_requested && self.progress.to_client == server::HELLO_DONE;
        client_done && self.progress.to_client >= server::HELLO_DONE
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held_bytes(&self) -> usize {
        let Self { hello, certificates, ja3, .. } = self;
        let hellos = [&hello.to_server, &hello.to_client].into_iter().flatten();
        let hellos: usize = hellos.map(|hello| held::boxed::<Hello>(hello.held_bytes())).sum();
        let chains = [&certificates.to_server, &certificates.to_client].into_iter().flatten();
        let chains: usize = chains.map(|chain| held::boxed::<Certificates>(chain.held_bytes())).sum();
        let ja3 = [&ja3.to_server, &ja3.to_client].into_iter().flatten();
        let ja3: usize = ja3.map(|ja3| held::block(ja3.string.capacity()) + held::block(ja3.hash.capacity())).sum();
        let ja4 = self.ja4.as_ref().map_or(0, |ja4| held::block(ja4.capacity()));
        hellos + chains + ja3 + ja4 + held::list(&self.anomalies)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
