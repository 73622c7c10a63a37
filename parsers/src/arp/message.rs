//! A message, as rules and records see it.

use std::cell::OnceCell;
use std::net::Ipv4Addr;

use crate::link::arp::Arp;
use crate::protocol::{Anomaly, Direction, Ends, Mac, OneWay, held, mac_text};

/// Operations (RFC 826, 903, 1577, 2390) with their names.
pub(super) const OPERATIONS: &[(u16, &str)] = &[
    (REQUEST, "request"),
    (REPLY, "reply"),
    (3, "request_reverse"),
    (4, "reply_reverse"),
    (8, "request_inverse"),
    (9, "reply_inverse"),
    (10, "arp_nak"),
];
/// What messages are for (RFC 5227, section 1.1).
pub(super) const FORMS: &[(u16, &str)] =
    &[(RESOLVE, "resolve"), (PROBE, "probe"), (ANNOUNCE, "announce"), (GRATUITOUS_REPLY, "gratuitous_reply")];
/// The hardware and the protocol that messages are about.
pub(super) const ETHERNET: u16 = 1;
pub(super) const IPV4: u16 = 0x0800;

const REQUEST: u16 = 1;
const REPLY: u16 = 2;
const RESOLVE: u16 = 0;
const PROBE: u16 = 1;
const ANNOUNCE: u16 = 2;
const GRATUITOUS_REPLY: u16 = 3;

/// Addresses of sender and target, of hardware and protocol.
#[derive(Debug)]
pub(super) struct Texts {
    pub sender: (String, String),
    pub target: (String, String),
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    direction: Direction,
    pub operation: u16,
    sender: (Mac, Ipv4Addr),
    target: (Mac, Ipv4Addr),
    /// Addresses as text, once somebody asks for them: most messages pass unseen.
    texts: OnceCell<Box<Texts>>,
    form: u16,
    anomalies: Vec<Anomaly>,
}

impl Message {
    /// What was read from a frame between two stations.
    pub(super) fn of(read: &Arp, direction: Direction, ends: &Ends) -> Self {
        let form = match read.operation {
            REQUEST if read.sender.1.is_unspecified() => PROBE,
            REQUEST if read.sender.1 == read.target.1 => ANNOUNCE,
            REPLY if read.sender.1 == read.target.1 => GRATUITOUS_REPLY,
            _ => RESOLVE,
        };
        Self {
            direction,
            operation: read.operation,
            sender: read.sender,
            target: read.target,
            texts: OnceCell::new(),
            form,
            anomalies: anomalies(read, direction, ends),
        }
    }

    /// Its addresses as text.
    pub(super) fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| {
            let texts = |(station, host): (Mac, Ipv4Addr)| (mac_text(station), host.to_string());
            Box::new(Texts { sender: texts(self.sender), target: texts(self.target) })
        })
    }

    /// The name of the operation in records.
    pub(super) fn operation_name(&self) -> &'static str {
        OPERATIONS.iter().find(|(number, _)| *number == self.operation).map_or("unknown", |(_, name)| name)
    }

    /// What it is for.
    pub(super) fn form(&self) -> u16 {
        self.form
    }

    pub(super) fn seen(&self, direction: Direction, index: usize) -> Option<&Self> {
        (index == 0 && self.direction == direction).then_some(self)
    }
}

/// What is odd about a message that can be read.
fn anomalies(read: &Arp, direction: Direction, ends: &Ends) -> Vec<Anomaly> {
    let stations = ends.link().map(|ends| ends.in_direction(direction)).filter(|(from, _)| *from != Mac::default());
    let is_group = |[first, ..]: Mac| first & 1 != 0;
    let host = read.sender.1;
    let answers_other = |to: Mac| read.operation == REPLY && !is_group(to) && to != read.target.0;
    let wrong = [
        (stations.is_some_and(|(from, _)| from != read.sender.0), "arp.sender_mismatch"),
        (stations.is_some_and(|(_, to)| answers_other(to)), "arp.target_mismatch"),
        (is_group(read.sender.0), "arp.group_sender"),
        (host.is_multicast() || host.is_broadcast() || host.is_loopback(), "arp.invalid_sender_ip"),
    ];
    wrong.into_iter().filter(|(is, _)| *is).map(|(_, name)| Anomaly(name)).collect()
}

impl OneWay for Message {
    fn way(&self) -> Direction {
        self.direction
    }

    fn noted(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held(&self) -> usize {
        let texts = self.texts.get().map_or(0, |texts| {
            let all = [&texts.sender.0, &texts.sender.1, &texts.target.0, &texts.target.1];
            held::boxed::<Texts>(all.into_iter().map(|text| held::block(text.capacity())).sum())
        });
        texts + held::list(&self.anomalies)
    }
}
