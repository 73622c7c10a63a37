//! Records that become columns, and are read back.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

/// All files below a folder, by their names there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { left.push(path) } else { found.push(path.strip_prefix(folder).unwrap().to_owned()) }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

fn raw(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files(folder) {
        for batch in read(&folder.join(file)) {
            lines.extend(batch["raw"].as_string::<i32>().iter().map(|line| line.unwrap().to_owned()));
        }
    }
    lines
}

fn written(folder: &Path, lines: &[impl AsRef<[u8]>]) -> (Vec<bool>, u64) {
    let mut sheets = Sheets::new(folder, "s", Some("sensor-7")).unwrap();
    let taken = lines.iter().map(|line| sheets.add(line.as_ref()).unwrap()).collect();
    let misfits = sheets.misfits();
    sheets.finish().unwrap();
    sheets.publish().unwrap();
    (taken, misfits)
}

#[test]
fn parquet_has_the_columns_of_a_record_and_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"timestamp":"2026-12-01T09:59:59.000001+0000","flow_id":7,"event_type":"dns","src_ip":"10.0.0.1","src_port":53,"vlan":[7,8],"dns":{"version":3,"aa":true,"queries":[{"rrname":"a\u0041","rrtype":"A"},{"rrname":"b"}],"answers":[{"rrname":"x","ttl":5}]},"tapwire":{"event_id":"e1","direction":"inbound"}}"#;
    assert_eq!(written(folder.path(), &[line]), (vec![true], 0));
    let file = "event_type=dns/date=2026-12-01/hour=09/s.parquet";
    assert_eq!(files(folder.path()), [PathBuf::from(file)]);
    let batches = read(&folder.path().join(file));
    let batch = &batches[0];
    assert_eq!(batch["timestamp"].as_primitive::<TimestampMicrosecondType>().value(0), 1_796_119_199_000_001);
    assert_eq!(batch["timestamp"].data_type().to_string(), "Timestamp(µs, \"UTC\")");
    assert_eq!(batch["src_port"].as_primitive::<Int64Type>().value(0), 53);
    assert_eq!(batch["src_ip"].as_string::<i32>().value(0), "10.0.0.1");
    assert_eq!(batch["tapwire_event_id"].as_string::<i32>().value(0), "e1");
    assert_eq!(batch["host"].as_string::<i32>().value(0), "sensor-7");
    assert!(batch["dns_aa"].as_boolean().value(0) && batch["dest_ip"].is_null(0));
    assert_eq!(batch["vlan"].as_list::<i32>().value(0).as_primitive::<Int64Type>().values(), &[7, 8]);
    let names = batch["dns_queries_rrname"].as_list::<i32>().value(0);
    assert_eq!(names.as_string::<i32>().iter().map(Option::unwrap).collect::<Vec<_>>(), ["aA", "b"]);
    assert_eq!(batch["raw"].as_string::<i32>().value(0), line);
}

#[test]
fn parquet_keeps_what_fits_no_column_in_the_record_and_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let head = r#""timestamp":"2026-12-01T09:00:00.000000+0000","event_type":"flow""#;
    let lines = [
        format!(r#"{{{head},"src_port":"80","src_ip":{{"a":1}},"flow":{{"age":1.5,"start":"soon","alerted":3}}}}"#),
        format!(
            r#"{{{head},"src_port":99999999999999999999,"src_port":1,"src_port":2,"host":null,"flow":[[[{{"age":4}}]]]}}"#
        ),
        format!(r#"{{{head},"host":"\ud800","x":{{"y":[{{}}]}},"flow":"no"}}"#),
        "no record".to_owned(),
        r#"{"timestamp":"never","event_type":"../../etc"}"#.to_owned(),
        r#"{"timestamp":"9998-12-31T23:59:59.999999+0000","event_type":""}"#.to_owned(),
        r#"{"a":"\u0000\u202e","event_type":7}"#.to_owned(),
    ];
    let (taken, misfits) = written(folder.path(), &lines);
    assert_eq!(taken, [true, true, true, false, true, true, true]);
    assert_eq!(misfits, 5 + 2 + 2 + 1);
    let names: Vec<String> = files(folder.path()).iter().map(|path| path.display().to_string()).collect();
    assert_eq!(
        names,
        [
            "event_type=7/date=1970-01-01/hour=00/s.parquet",
            "event_type=______etc/date=1970-01-01/hour=00/s.parquet",
            "event_type=flow/date=2026-12-01/hour=09/s.parquet",
            "event_type=none/date=9998-12-31/hour=23/s.parquet",
        ]
    );
    let flows = read(&folder.path().join(&names[2]));
    assert_eq!(flows[0]["src_port"].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, Some(1), None]);
    assert_eq!(flows[0]["flow_age"].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, Some(4), None]);
    let kept: Vec<String> = lines.into_iter().filter(|line| line.starts_with('{')).collect();
    let mut found = raw(folder.path());
    found.sort();
    let mut expected = kept;
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn parquet_files_of_the_same_records_are_the_same_and_few_are_open_at_once() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Each hour comes again when its file is long closed.
    let line = |n: u32| {
        let (hour, day) = (n % 24, 1 + n / 24 % 10);
        format!(
            r#"{{"timestamp":"2026-12-{day:02}T{hour:02}:00:00.000000+0000","event_type":"dns","n":{n},"dns":{{"rcode":"{}"}}}}"#,
            "x".repeat(3_000)
        )
    };
    let lines: Vec<String> = (0..480).map(line).collect();
    for folder in &folders {
        assert_eq!(written(folder.path(), &lines).1, 0);
    }
    let [one, other] = folders.map(|folder| {
        let all = files(folder.path());
        let bytes: BTreeMap<_, _> =
            all.iter().map(|name| (name.clone(), std::fs::read(folder.path().join(name)).unwrap())).collect();
        let mut lines = raw(folder.path());
        lines.sort();
        (bytes, lines)
    });
    assert!(one == other);
    assert_eq!(one.0.len(), 480, "240 hours, each in two parts");
    let mut expected = lines;
    expected.sort();
    assert_eq!(one.1, expected);
}

#[test]
fn parquet_that_was_not_finished_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut sheets = Sheets::new(folder.path(), "s", None).unwrap();
    sheets.add(br#"{"event_type":"flow"}"#).unwrap();
    assert_eq!(files(folder.path()).len(), 1);
    sheets.finish().unwrap();
    assert!(files(folder.path())[0].to_string_lossy().ends_with(".parquet.new"));
    drop(sheets);
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}
