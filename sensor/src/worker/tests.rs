use tapwire_parsers::link::Timestamp;

use super::*;
use crate::capture::batch::{Arrival, Batch};
use crate::capture::offload::Treatment;
use crate::decode::memory::Budget;
use crate::decode::tunnels::Tunnels;
use crate::flow;
use crate::inspect::Engine;
use crate::records::report::Outputs;
use crate::start::config::Configuration;

#[test]
fn a_panic_costs_one_packet_and_the_books_still_add_up() {
    let engine = Arc::new(Engine::bare());
    let configuration = Configuration::default();
    let fresh = || Table::new(flow::Settings::default(), Budget::new(0), Budget::new(0));
    let outputs =
        Arc::new(Outputs::new(&configuration.settings().records, Arc::clone(&engine), Default::default(), Vec::new()));
    let settings = Settings {
        bypass_bytes: 0,
        checksums: Treatment::Ignored,
        chunk_bytes: [1, 1],
        bypass_depth: false,
        excerpt_bytes: 0,
        alert_limit: 15,
        expected_flows: 16,
        tunnels: Tunnels::default(),
        error_policy: Default::default(),
    };
    let mut worker = Worker::new(
        (0, Shards { key: 0, count: 1 }),
        settings,
        fresh(),
        Inspector::new(engine),
        Reporter::new(0, outputs),
    );
    worker.trip_at = Some(2);
    let mut batch = Batch::new();
    for number in 1..=4 {
        let arrival = Arrival { time: Timestamp(number), link_type: 101, interface: 0, wire_len: 28 };
        let mut data = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        data.extend([1, 1, 0, 99, 0, 8, 0, 0]);
        batch.push(number, arrival, &data);
    }
    let mut lost = Vec::new();
    worker.batch(&batch, &fresh, &mut |frame, data| lost.push((frame.number, data.len())));
    assert_eq!(lost, [(2, 28)]);
    let counters = &worker.counters;
    assert_eq!((counters.seen, counters.processed, counters.dropped().get("worker_panic")), (4, 3, Some(&1)));
    let mut last = Vec::new();
    worker.shut_down(1, 4, &mut |records| {
        last.push(records);
        true
    });
    assert_eq!(
        last.iter().map(|batch| batch.findings.len()).sum::<usize>(),
        1,
        "the flow of the packets behind it is recorded"
    );
}
