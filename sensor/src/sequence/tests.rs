use tapwire_parsers::link::Timestamp;
use tapwire_signatures::verify::cost::CostBooks;

use super::*;
use crate::records::class::Class;
use crate::records::finding::{Place, Record};
use crate::start::config::Configuration;

fn engine() -> Arc<Engine> {
    Arc::new(Engine::bare())
}

/// What is told, and the counters, of a run of two workers that make two records each; `harm` is done before they are written.
fn run(harm: impl FnOnce(&mut Writer, &mut [RecordBatch])) -> (Vec<String>, BTreeMap<String, u64>) {
    let folder = tempfile::tempdir().unwrap();
    let place = (folder.path(), folder.path());
    let mut writer = Writer::create(&Configuration::default().settings().writer, engine(), place, false).unwrap();
    let mut batches = [RecordBatch::new(0, 0), RecordBatch::new(1, 0)];
    for packet in 0..4 {
        let record = Record { output: 0, class: Class::Flow, gate: None, cause: None };
        let place = Place { packet, ended: Place::PACKET, flow: None };
        batches[usize::try_from(packet).unwrap() % 2].push(place, record, |out, _| out.extend_from_slice(b"{}\n"));
    }
    harm(&mut writer, &mut batches);
    writer.write(&batches);
    let costs = CostBooks::default();
    let report = Report { time: Timestamp(0), uptime_s: 0, costs: &costs, own: true, live: false, sandbox: None };
    let (counters, failure) = writer.finish(report, BTreeMap::new());
    assert!(failure.is_none());
    (writer.take_news(), counters)
}

#[test]
fn what_workers_made_is_accounted_for() {
    let (news, counters) = run(|_, _| ());
    assert!(news.is_empty(), "{news:?}");
    assert_eq!((counters["tapwire.records.made"], counters["tapwire.records.delivered"]), (4, 4));
}

#[test]
fn the_books_tell_of_an_output_that_loses_records() {
    let (news, counters) = run(|writer, _| writer.log.forget_outputs());
    assert!(news[0].contains("4 were made, and 0 are accounted for"), "{news:?}");
    assert_eq!(counters["tapwire.records.made"], 4);
}

#[test]
fn the_books_tell_of_a_record_that_never_came() {
    let (news, _) = run(|_, batches| drop(batches[1].findings.pop()));
    assert!(news[0].contains("4 were made, and 3 are accounted for"), "{news:?}");
}

#[test]
fn the_books_tell_of_a_batch_that_never_came() {
    // The next batch of a worker says how many it made before.
    let (news, _) = run(|_, batches| batches[1] = batches[1].next());
    assert!(news[0].contains("4 were made, and 2 are accounted for"), "{news:?}");
}
