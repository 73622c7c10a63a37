//! Deliveries from a log to receivers that fail.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tapwire_parsers::link::Timestamp;

use super::connection::{Place, Route};
use super::filter::Filter;
use super::receivers::{post, s3};
use super::report::Report;
use super::secret::Secret;
use super::settings::{Settings, Way};
use super::stand_in::{Request, http};
use super::template::Template;
use super::thread::Deliveries;
use super::tls::Tls;
use super::whole;
use crate::capture::clock;
use crate::sinks::encode;
use crate::sinks::log::{self, Segments, cursor};

/// A log that can be written to.
struct Bed {
    folder: tempfile::TempDir,
    segments: Segments,
    written: u64,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = log::Settings { reserve_bytes: 0, segment_bytes: 40_000, ..log::Settings::default() };
        let segments = Segments::open(folder.path(), settings, clock::now()).unwrap();
        Self { folder, segments, written: 0 }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&mut self, count: u64) {
        let mut text = String::new();
        for n in self.written..self.written + count {
            let kind = if n % 10 == 0 { "alert" } else { "flow" };
            text.push_str(&format!(
                r#"{{"timestamp":"{}","event_type":"{kind}","n":{n},"noise":"{}"}}"#,
                "2019-12-22T12:33:20.000001+0000",
                n * 7_919
            ));
            text.push('\n');
        }
        self.written += count;
        self.segments.write(text.as_bytes(), true, clock::now()).unwrap();
    }
}

fn settings(way: Way) -> Settings {
    Settings {
        name: "siem".into(),
        log: Default::default(),
        to: "a test".into(),
        way,
        encoding: encode::by_name("eve").unwrap(),
        profile: encode::profile_by_name("suricata8").unwrap(),
        record_bytes: 64 << 10,
        filter: Filter::default(),
        batch_bytes: 100_000,
        batch_records: 100,
        wait: Duration::from_millis(1),
        rate_bytes: 0,
        from_begin: true,
        host: "sensor".into(),
        names_sensor: false,
    }
}

fn posted(web: super::web::Web) -> Way {
    Way::Post(post::Settings {
        web: super::web::Web { timeout: Duration::from_millis(400), ..web },
        account: None,
        path: Template::read("/").unwrap(),
        list: false,
        media_type: "application/x-ndjson",
    })
}

/// How often each record came.
type Seen = Arc<Mutex<BTreeMap<u64, u32>>>;

fn note(seen: &Seen, text: &str) {
    let mut seen = seen.lock().unwrap();
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(n) = record["n"].as_u64() {
            *seen.entry(n).or_default() += 1;
        }
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_receiver_that_fails_in_every_way_gets_everything_and_little_twice() {
    let mut bed = Bed::new();
    let (seen, calls) = (Seen::default(), AtomicU64::new(0));
    let kept = Arc::clone(&seen);
    let web = http(move |Request { body, .. }| match calls.fetch_add(1, Ordering::Relaxed) {
        // Busy, broken, a proxy in between.
        1 => (503, "busy".into()),
        2 => (500, "oops".into()),
        // The answer comes too late: what was sent is there, and comes again.
        4 => {
            note(&kept, &body);
            std::thread::sleep(Duration::from_millis(600));
            (200, String::new())
        }
        // Too much at once.
        n if n > 5 && body.lines().count() > 40 => (413, "too large".into()),
        // One record is no good.
        _ if body.lines().any(|line| line.contains("\"n\":1234,")) => (400, "a bad record".into()),
        _ => {
            note(&kept, &body);
            (200, String::new())
        }
    });
    bed.write(1_000);
    let deliveries = Deliveries::start(&[settings(posted(web))], bed.path(), true).unwrap();
    bed.write(1_000);
    until("all but one arrive", || seen.lock().unwrap().len() == 1_999);
    until("and are counted", || deliveries.reports()[0].delivered == 1_999);
    assert_eq!(deliveries.finish(Duration::from_secs(5)), []);
    let twice = seen.lock().unwrap().values().filter(|count| **count > 1).count();
    assert!(twice <= 100, "{twice} came twice: more than a batch");
    let report = Report::read(bed.path(), "siem").unwrap().unwrap();
    assert_eq!((report.delivered, report.refused, report.away_since_us), (1_999, 1, 0));
    assert!(report.retries >= 3 && report.request_times.total() > 0);
    let letters = std::fs::read(bed.path().join("dead-letters/siem.json.zst")).unwrap();
    let letters = String::from_utf8(zstd::decode_all(&letters[..]).unwrap()).unwrap();
    assert!(letters.lines().count() == 1 && letters.contains("\"n\":1234,") && letters.contains("400 a bad record"));
    assert_eq!(
        log::search::waiting(bed.path(), cursor::acknowledged(bed.path(), "siem").unwrap().unwrap()).unwrap(),
        0
    );
}

#[test]
fn who_was_away_goes_on_where_it_was_after_a_restart_as_well() {
    let mut bed = Bed::new();
    let seen = Seen::default();
    let place = bed.path().join("in.sock");
    let route =
        Route { place: Place::Unix(place.clone()), tls: Tls::default(), proxy: None, timeout: Duration::from_secs(2) };
    let settings = settings(Way::Lines(route));
    bed.write(500);
    let deliveries = Deliveries::start(std::slice::from_ref(&settings), bed.path(), true).unwrap();
    until("it is known to be away", || deliveries.reports()[0].away_since_us > 0);
    // The sensor ends with nothing delivered, and what is left is said.
    let left = deliveries.finish(Duration::from_millis(50));
    assert!(left.len() == 1 && left[0].delivered == 0 && !left[0].last_error.is_empty());
    bed.write(500);
    let listener = UnixListener::bind(&place).unwrap();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut lines = 0;
            for line in BufReader::new(stream.unwrap()).lines() {
                note(&kept, &line.unwrap());
                lines += 1;
                // It is restarted each few lines.
                if lines == 220 {
                    break;
                }
            }
        }
    });
    let deliveries = Deliveries::start(&[settings], bed.path(), true).unwrap();
    until("all arrive", || seen.lock().unwrap().len() == 1_000);
    assert_eq!(deliveries.finish(Duration::from_secs(10)), []);
}

#[test]
fn one_that_hangs_holds_nobody_else_up_and_filters_and_encodings_are_each_ones_own() {
    let mut bed = Bed::new();
    let (seen, cef) = (Seen::default(), Arc::new(Mutex::new(String::new())));
    let (kept, text) = (Arc::clone(&seen), Arc::clone(&cef));
    let hangs = http(|_| {
        std::thread::sleep(Duration::from_secs(60));
        (200, String::new())
    });
    let takes = http(move |Request { body, .. }| {
        note(&kept, &body);
        (200, String::new())
    });
    let alerts = http(move |Request { body, .. }| {
        text.lock().unwrap().push_str(&body);
        (200, String::new())
    });
    let hung = Settings { name: "hung".into(), ..settings(posted(hangs)) };
    let filter = Filter { types: vec!["alert".into()], ..Filter::default() };
    let cef_of =
        Settings { name: "cef".into(), filter, encoding: encode::by_name("cef").unwrap(), ..settings(posted(alerts)) };
    bed.write(1_000);
    let deliveries = Deliveries::start(&[hung, settings(posted(takes)), cef_of], bed.path(), true).unwrap();
    until("the others get theirs", || {
        seen.lock().unwrap().len() == 1_000 && cef.lock().unwrap().lines().count() == 100
    });
    assert!(cef.lock().unwrap().lines().all(|line| line.starts_with("CEF:0|")));
    let began = Instant::now();
    let left = deliveries.finish(Duration::from_millis(300));
    assert_eq!(left.iter().map(|report| &*report.name).collect::<Vec<_>>(), ["hung"]);
    assert!(began.elapsed() < Duration::from_secs(3), "nobody is waited for at the end");
    assert_eq!(Report::read(bed.path(), "cef").unwrap().unwrap().left_out, 900);
}

#[test]
fn what_is_gone_is_told_to_the_receiver_in_its_place() {
    let mut bed = Bed::new();
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    let web = http(move |Request { body, .. }| {
        kept.lock().unwrap().push_str(&body);
        (200, String::new())
    });
    for _ in 0..4 {
        bed.write(500);
        bed.segments.rotate(Timestamp(clock::now().0)).unwrap();
    }
    // Somebody removed a segment that was not delivered.
    let mut names: Vec<_> = std::fs::read_dir(bed.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "zst"));
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    std::fs::remove_file(&names[1]).unwrap();
    let deliveries = Deliveries::start(&[settings(posted(web))], bed.path(), false).unwrap();
    assert_eq!(deliveries.finish(Duration::from_secs(10)), []);
    let text = text.lock().unwrap();
    let gaps: Vec<&str> = text.lines().filter(|line| line.contains("\"event_type\":\"gap\"")).collect();
    assert!(
        gaps.len() == 1 && gaps[0].contains("\"sink\":\"siem\"") && gaps[0].contains("a part of the log is gone"),
        "{gaps:?}"
    );
    let report = Report::read(bed.path(), "siem").unwrap().unwrap();
    assert_eq!(report.gaps, 1);
}

/// What lies in a folder, by its names.
fn lying(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

fn whole(place: whole::Place) -> Settings {
    settings(Way::Whole(whole::Settings { form: whole::Form::Segment, place }))
}

#[test]
fn segments_come_as_wholes_when_they_are_finished_and_each_once() {
    let (mut bed, archive) = (Bed::new(), tempfile::tempdir().unwrap());
    let folder = archive.path().join("a/b");
    let settings = whole::Place::Folder(folder.clone());
    let settings = whole(settings);
    bed.write(500);
    bed.segments.rotate(clock::now()).unwrap();
    bed.write(500);
    let deliveries = Deliveries::start(std::slice::from_ref(&settings), bed.path(), true).unwrap();
    until("the first is there", || lying(&folder).keys().any(|name| name.ends_with(".json.zst")));
    assert_eq!(deliveries.finish(Duration::from_secs(5)), []);
    assert_eq!(lying(&folder).len(), 1, "what is still written to is not a whole");
    bed.segments.rotate(clock::now()).unwrap();
    // One that was stored and not noted is the same again.
    cursor::acknowledge(bed.path(), "siem", cursor::Position { segment: 1, offset: 7, record: 3 }).unwrap();
    let deliveries = Deliveries::start(&[settings], bed.path(), false).unwrap();
    assert_eq!(deliveries.finish(Duration::from_secs(10)), []);
    let (lies, log) = (lying(&folder), lying(bed.path()));
    let segments: Vec<_> = log.iter().filter(|(name, _)| name.ends_with(".json.zst")).map(|(_, body)| body).collect();
    assert!(lies.values().eq(segments));
    let report = Report::read(bed.path(), "siem").unwrap().unwrap();
    assert_eq!((report.delivered, report.retries, report.position.segment), (1_500, 0, 2));
    assert_eq!(log::search::waiting(bed.path(), report.position).unwrap(), 0);
}

#[test]
fn segments_go_to_a_store_that_fails_at_first_and_is_given_what_was_signed() {
    let mut bed = Bed::new();
    for _ in 0..2 {
        bed.write(300);
        bed.segments.rotate(clock::now()).unwrap();
    }
    let (asked, objects) = (AtomicU64::new(0), Arc::new(Mutex::new(BTreeMap::new())));
    let kept = Arc::clone(&objects);
    let web = http(move |request: Request| {
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return (503, "busy".into());
        }
        let length = request.header("content-length").to_owned();
        kept.lock().unwrap().insert(request.path.clone(), (length, request.header("x-amz-content-sha256").to_owned()));
        (200, String::new())
    });
    let store = s3::Settings {
        host: web.base.trim_start_matches("http://").to_owned(),
        web,
        bucket: "b".into(),
        prefix: Template::read("archive/{date}/").unwrap(),
        region: "us-east-1".into(),
        key: "k".into(),
        secret: Secret::Text("s".into()),
    };
    let deliveries = Deliveries::start(&[whole(whole::Place::Store(Box::new(store)))], bed.path(), true).unwrap();
    until("both are there", || objects.lock().unwrap().len() == 2);
    assert_eq!(deliveries.finish(Duration::from_secs(5)), []);
    let segments = lying(bed.path()).into_iter().filter(|(name, _)| name.ends_with(".json.zst"));
    let expected: Vec<_> = segments
        .map(|(_, body)| (body.len().to_string(), data_encoding::HEXLOWER.encode(&Sha256::digest(&body))))
        .collect();
    let objects = objects.lock().unwrap();
    assert_eq!(objects.values().cloned().collect::<Vec<_>>(), expected);
    assert!(objects.keys().all(|path| path.starts_with("/b/archive/2019-12-22/eve-") && path.ends_with(".json.zst")));
    let report = Report::read(bed.path(), "siem").unwrap().unwrap();
    assert_eq!((report.delivered, report.retries), (600, 1));
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_comes_of_each_segment_and_what_is_missing_is_told() {
    let (mut bed, lake) = (Bed::new(), tempfile::tempdir().unwrap());
    for _ in 0..3 {
        bed.write(300);
        bed.segments.rotate(clock::now()).unwrap();
    }
    let names: Vec<_> = lying(bed.path()).into_keys().filter(|name| name.ends_with(".json.zst")).collect();
    std::fs::remove_file(bed.path().join(&names[1])).unwrap();
    let place = whole::Place::Folder(lake.path().to_owned());
    let way = Way::Whole(whole::Settings { form: whole::Form::Columns, place });
    let filter = Filter { types: vec!["alert".into()], ..Filter::default() };
    let deliveries = Deliveries::start(&[Settings { filter, ..settings(way) }], bed.path(), false).unwrap();
    assert_eq!(deliveries.finish(Duration::from_secs(20)), []);
    assert_eq!(lying(&lake.path().join("event_type=alert/date=2019-12-22/hour=12")).len(), 2);
    let gaps = std::fs::read_dir(lake.path().join("event_type=gap")).unwrap().count();
    assert_eq!((gaps, std::fs::read_dir(lake.path()).unwrap().count()), (1, 2));
    let report = Report::read(bed.path(), "siem").unwrap().unwrap();
    assert_eq!((report.delivered, report.left_out, report.gaps, report.misfits), (61, 540, 1, 0));
}

#[test]
fn alerts_say_when_they_were_handed_on_and_only_when_live() {
    let line = r#"{"timestamp":"2019-12-22T12:33:20.000001+0000","event_type":"alert","tapwire":{"event_id":"l1-2"},"alert":{"severity":1}}"#;
    for live in [true, false] {
        let mut bed = Bed::new();
        bed.segments.write(format!("{line}\n").as_bytes(), true, clock::now()).unwrap();
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let web = http(move |Request { body, .. }| {
            kept.lock().unwrap().push_str(&body);
            (200, String::new())
        });
        let deliveries = Deliveries::start(&[settings(posted(web))], bed.path(), live).unwrap();
        until("it is there", || !text.lock().unwrap().is_empty());
        assert_eq!(deliveries.finish(Duration::from_secs(5)), []);
        let text = text.lock().unwrap();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&record["tapwire"]["event_id"], &record["timestamp"]),
            (&"l1-2".into(), &"2019-12-22T12:33:20.000001+0000".into())
        );
        let told = record["tapwire"]["emitted"].as_str().map(|time| time.len());
        assert_eq!(told, live.then_some(31), "{text}");
    }
}
