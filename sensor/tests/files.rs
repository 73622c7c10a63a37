//! What rules keep of the traffic itself: files and certificates on disk, and what records say of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Run, captures};
use serde_json::Value;

const WEB: &str = "http/get-and-upload/capture.pcap";

/// A run over a capture with rules, and outputs beside the records.
fn run(capture: &str, outputs: &str, rules: &str, threads: &str, folder: &Path) -> Run {
    let (config, rule_file) = (folder.join("site.yaml"), folder.join("own.rules"));
    let eve = "outputs:\n- eve-log:\n    enabled: yes\n    types: [stats, files, alert]\n";
    let limits = "default-config: {request-body-limit: 100kb, response-body-limit: 100kb}";
    let http = format!("app-layer: {{protocols: {{http: {{enabled: yes, libhtp: {{{limits}}}}}}}}}\n");
    std::fs::write(&config, format!("{eve}{outputs}{http}tapwire: {{}}\n")).unwrap();
    std::fs::write(&rule_file, rules).unwrap();
    let run = Run::replay(&captures().join(capture)).arg("--threads").arg(threads).arg("--config").path(&config);
    run.arg("--strict").arg("--rules").path(&rule_file)
}

/// The records of a type.
fn of_type(run: &Run, event_type: &str) -> Vec<Value> {
    let records = run.records();
    let all = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|record| record["event_type"] == event_type).collect()
}

/// Files below a folder of the run, by their names there.
fn on_disk(run: &Run, folder: &str) -> BTreeMap<String, Vec<u8>> {
    fn add(folder: &Path, name: &str, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{name}{}", entry.file_name().to_str().unwrap());
            match entry.path() {
                path if path.is_dir() => add(&path, &format!("{name}/"), all),
                path => drop(all.insert(name, std::fs::read(path).unwrap())),
            }
        }
    }
    let mut all = BTreeMap::new();
    add(&run.folder().join(folder), "", &mut all);
    all
}

fn long_text() -> Vec<u8> {
    (1..=300).map(|line| format!("line {line} of a text that packs well\n")).collect::<String>().into_bytes()
}

#[test]
fn a_rule_stores_its_files_once_and_records_say_so() {
    let store = "- file-store: {version: 2, enabled: yes, write-fileinfo: yes}\n";
    let rules = r#"alert http any any -> any any (file.name; content:"long.txt"; filestore; sid:7;)"#;
    let mut runs = Vec::new();
    for threads in ["1", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let run = run(WEB, store, rules, threads, folder.path());
        run.succeed();
        let files = of_type(&run, "fileinfo");
        let shown: Vec<_> = files.iter().map(|f| &f["fileinfo"]).collect();
        let stored: Vec<_> = shown.iter().filter(|f| f["stored"] == true).collect();
        assert_eq!((shown.len(), stored.len()), (4, 2), "{shown:?}");
        let digest = stored[0]["sha256"].as_str().unwrap();
        let (mut ids, mut disk) = (Vec::new(), on_disk(&run, "filestore"));
        for file in &stored {
            assert_eq!((&file["sha256"], &file["sid"]), (&digest.into(), &serde_json::json!([7])));
            ids.push(file["file_id"].as_u64().unwrap());
        }
        assert_eq!(ids, [1, 2]);
        assert_eq!(disk.remove(&format!("{}/{digest}", &digest[..2])), Some(long_text()));
        assert_eq!(disk.len(), 2, "a record beside it for each time that it came: {:?}", disk.keys());
        for (record, id) in disk.values().zip(1..) {
            let record: Value = serde_json::from_slice(record).unwrap();
            assert_eq!((&record["fileinfo"]["file_id"], &record["fileinfo"]["stored"]), (&id.into(), &true.into()));
        }
        assert!(shown.iter().filter(|f| f["stored"] == false).all(|f| f.get("sid").is_none()));
        let alerts = of_type(&run, "alert");
        assert!(alerts.iter().all(|alert| alert["files"][0]["storing"] == true), "{alerts:?}");
        let stats = run.stats();
        assert_eq!(stats["tapwire"]["file_store"]["stored"], 2);
        assert_eq!(stats["tapwire"]["file_store"]["known"], 1);
        assert_eq!(stats["file_store"]["fs_errors"], 0);
        runs.push((files, disk));
    }
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn all_files_are_stored_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = "- file-store: {version: 2, enabled: yes, force-filestore: yes, dir: kept, max-open-files: 0}\n";
    let run = run(WEB, store, "", "2", folder.path());
    run.succeed();
    let files = of_type(&run, "fileinfo");
    let disk = on_disk(&run, "kept");
    for file in &files {
        let (digest, size) = (file["fileinfo"]["sha256"].as_str().unwrap(), &file["fileinfo"]["size"]);
        let bytes = &disk[&format!("{}/{digest}", &digest[..2])];
        assert_eq!(&Value::from(bytes.len()), size);
        assert_eq!(file["fileinfo"]["stored"], true);
    }
    assert_eq!((files.len(), disk.len()), (4, 3), "one comes twice");
}

#[test]
fn without_a_rule_that_asks_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = "- file-store: {version: 2, enabled: yes}\n";
    let rules = r#"alert http any any -> any any (file.name; content:"other"; filestore; sid:7;)
alert http any any -> any any (file.name; content:"long.txt"; xbits:isnotset,other,track ip_src; filestore; sid:8;)"#;
    let run = run(WEB, store, rules, "2", folder.path());
    run.succeed();
    assert!(on_disk(&run, "filestore").is_empty());
    assert_eq!(run.stats()["tapwire"]["rules"]["stores_left_out"], 2, "what flows share is asked too late");
    assert!(of_type(&run, "fileinfo").iter().all(|file| file["fileinfo"]["stored"] == false));
}

#[test]
fn a_store_that_cannot_be_written_is_told_once_and_records_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let dir = in_the_way.display();
    let store = format!("- file-store: {{version: 2, enabled: yes, force-filestore: yes, dir: {dir}}}\n");
    let run = run(WEB, &store, "", "2", folder.path());
    let output = run.succeed();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("files cannot be stored below").count(), 1, "{said}");
    let files = of_type(&run, "fileinfo");
    assert!(files.len() == 4 && files.iter().all(|file| file["fileinfo"]["stored"] == false), "{files:?}");
    assert!(run.stats()["file_store"]["fs_errors"].as_u64().unwrap() >= 4);
}

#[test]
fn files_are_named_by_what_they_look_like() {
    let rules = r#"alert http any any -> any any (filemagic:"HTML document"; sid:1;)
alert http any any -> any any (file.magic; content:"ASCII text"; fileext:"txt"; sid:2;)
alert http any any -> any any (file.magic; content:"PDF"; sid:3;)
alert http any any -> any any (flow:to_server; http.uri; content:"/long.txt"; flowbits:set,asked; sid:4;)
alert http any any -> any any (flow:to_client; flowbits:isnotset,asked; filemagic:"ASCII text"; sid:5;)"#;
    let folder = tempfile::tempdir().unwrap();
    let run = run(WEB, "", rules, "2", folder.path());
    run.succeed();
    let sids = of_type(&run, "alert");
    let count = |sid: u64| sids.iter().filter(|alert| alert["alert"]["signature_id"] == sid).count();
    assert_eq!([count(1), count(2), count(3)], [2, 2, 0]);
    assert_eq!([count(4), count(5)], [1, 0], "flowbits count as they are when there is a file");
    for file in of_type(&run, "fileinfo") {
        let magic = file["fileinfo"]["magic"].as_str().unwrap();
        assert!(magic.starts_with("HTML document") || magic.starts_with("ASCII text"), "{magic}");
    }
}

#[test]
fn a_rule_stores_the_certificates_of_its_connection() {
    let rules = r#"alert tls any any -> any any (tls.cert_subject; content:"server.example"; tls.store; sid:1;)"#;
    let capture = "tls/tls12-client-certificate/capture.pcap";
    let folder = tempfile::tempdir().unwrap();
    let run = run(capture, "- tls-store: {enabled: yes}\n", rules, "2", folder.path());
    run.succeed();
    let disk = on_disk(&run, "certs");
    let mut names = disk.keys();
    let (meta, pem) = (names.next().unwrap(), names.next().unwrap());
    assert!(meta.ends_with("-1.meta") && pem.ends_with("-1.pem") && names.next().is_none(), "{meta} {pem}");
    let (chain, about) = (std::str::from_utf8(&disk[pem]).unwrap(), std::str::from_utf8(&disk[meta]).unwrap());
    let letters: String = chain.lines().filter(|line| !line.starts_with('-')).collect();
    let der = data_encoding::BASE64.decode(letters.as_bytes()).unwrap();
    assert_eq!(der[..2], [0x30, 0x82], "an ASN.1 sequence: {chain}");
    assert!(about.contains("TLS SUBJECT:       C=NL, O=Tapwire Tests, CN=server.example"), "{about}");
    assert_eq!(about.lines().count(), 9);
    let stats = run.stats();
    assert_eq!(stats["tapwire"]["tls_store"]["stored"], 1);
}

#[test]
fn a_store_of_the_first_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(WEB, "- file-store: {enabled: yes, log-dir: files}\n", "", "1", folder.path()).output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("site.yaml:5:") && said.contains("version: 2"), "{said}");
}

#[test]
fn bytes_of_streams_and_bodies_are_written_as_they_were_read() {
    let mut runs = Vec::new();
    for threads in ["1", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let outputs = "- tcp-data: {enabled: yes, type: both}\n- http-body-data: {enabled: yes, type: both, filename: bodies.log}\n";
        let run = run(WEB, outputs, "", threads, folder.path());
        run.succeed();
        let (streams, bodies) = (on_disk(&run, "tcp-data"), on_disk(&run, "http-data"));
        assert!(streams.keys().all(|name| name.ends_with("-ts.data") || name.ends_with("-tc.data")), "{streams:?}");
        let sent = |all: &BTreeMap<String, Vec<u8>>, ending: &str| -> Vec<u8> {
            all.iter().filter(|(name, _)| name.ends_with(ending)).flat_map(|(_, bytes)| bytes.clone()).collect()
        };
        assert!(sent(&streams, "-ts.data").starts_with(b"GET /"), "{streams:?}");
        assert!(sent(&streams, "-tc.data").starts_with(b"HTTP/1."));
        let text = long_text();
        assert!(sent(&bodies, "-tc.data").windows(text.len()).any(|part| part == text), "{:?}", bodies.keys());
        let [dump, of_bodies] =
            ["tcp-data.log", "bodies.log"].map(|name| std::fs::read(run.folder().join(name)).unwrap());
        assert!(String::from_utf8_lossy(&dump).contains("47 45 54 20 2F"));
        let counted = run.stats();
        assert!(counted["tapwire"]["tcp_data"]["written"].as_u64().unwrap() > 0);
        assert_eq!(counted["tapwire"]["http_body_data"]["fs_errors"], 0);
        runs.push((streams, bodies, dump, of_bodies));
    }
    assert!(runs[0] == runs[1], "whatever the number of workers");
}
