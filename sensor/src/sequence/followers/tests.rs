//! What it takes to add a follower: this one, a type and an entry, tells which hosts talk most.

use std::net::{IpAddr, Ipv4Addr};

use tapwire_parsers::link::{Timestamp, Vlans};
use tapwire_parsers::protocol::{Both, Direction};
use tapwire_signatures::lua::Shown;
use tapwire_signatures::rule::condition::FlowView;

use super::*;
use crate::flow::Key;
use crate::flow::ends::Address;
use crate::records::batch::RecordBatch;
use crate::records::finding::{Place, What};
use crate::records::subject::Subject;
use crate::sequence::order::in_order;
use crate::start::config::Configuration;

/// Hosts that are told.
const TOP: usize = 2;

const TALKERS: Entry = Entry { counters: &[], begin: begin_talkers };

fn begin_talkers(_: &Settings, _: &Path, _: bool) -> Begun {
    Ok(Some(Box::new(Talkers::default())))
}

#[derive(Default)]
struct Talkers {
    /// Flows and bytes of each host, in the order in which they came.
    hosts: Vec<(IpAddr, u64, u64)>,
}

impl Follower for Talkers {
    fn wants(&self) -> Vec<Topic> {
        vec![Topic::Each(Shown::Flow)]
    }

    fn finding(&mut self, seen: Seen<'_>) {
        let What::Shown(subject) = &seen.finding.what else { return };
        let Some(flow) = &subject.flow else { return };
        for host in [subject.key.source, subject.key.destination].into_iter().filter_map(Address::ip) {
            let bytes = flow.bytes.to_server + flow.bytes.to_client;
            match self.hosts.iter_mut().find(|(known, ..)| *known == host) {
                Some((_, flows, all)) => (*flows, *all) = (*flows + 1, *all + bytes),
                None => self.hosts.push((host, 1, bytes)),
            }
        }
    }

    fn end(&mut self, _: &mut BTreeMap<String, u64>) -> io::Result<Vec<String>> {
        // Of hosts that say as much, the one that came first is first.
        self.hosts.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
        let told = |(host, flows, bytes): &(IpAddr, u64, u64)| format!("{host} {flows} {bytes}");
        Ok(self.hosts.iter().take(TOP).map(told).collect())
    }
}

fn flow(id: u64, last: [u8; 2], bytes: u64) -> Subject {
    let [source, destination] = last.map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    let key = Key {
        source: source.into(),
        destination: destination.into(),
        source_port: 1,
        destination_port: 2,
        protocol: 17,
        tunnel_depth: 0,
        vlans: Vlans::default(),
        interface: 0,
        tenant: 0.into(),
    };
    let view = FlowView {
        id,
        bytes: Both { to_server: bytes, to_client: 1 },
        ..FlowView::unasked(Direction::ToServer, Timestamp(0))
    };
    Subject::of_flow(&key, view)
}

/// What the follower tells of flows that so many workers share.
fn talkers(workers: u16) -> Vec<String> {
    let mut followers =
        Followers::of(&[TALKERS], &Configuration::default().settings().writer, Path::new(""), false).unwrap();
    assert_eq!(followers.wants(), [Topic::Each(Shown::Flow)]);
    let mut batches: Vec<_> = (0..workers).map(|worker| RecordBatch::new(worker, 0)).collect();
    for (id, ends, bytes) in [(1, [1, 2], 99), (2, [3, 4], 99), (3, [1, 5], 9), (4, [6, 4], 9)] {
        let worker = usize::try_from(id).unwrap() % batches.len();
        batches[worker].push_shown(
            Place { packet: id, ended: Place::PACKET, flow: Some(id) },
            flow(id, ends, bytes),
            &[],
        );
    }
    for (batch, finding) in in_order(&batches) {
        followers.finding(Seen { finding, text: batch.text(finding), alerted: false });
    }
    followers.end(&mut BTreeMap::new()).0
}

#[test]
fn a_follower_is_a_file_and_an_entry_and_hears_the_same_of_any_number_of_workers() {
    let told = ["10.0.0.1 2 110", "10.0.0.4 2 110"];
    for workers in 1..=4 {
        assert_eq!(talkers(workers), told, "{workers}");
    }
}
