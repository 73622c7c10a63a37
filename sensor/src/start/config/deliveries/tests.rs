use super::*;
use crate::sinks::deliver::receivers::{redis, syslog};
use crate::sinks::deliver::{Packing, Place, Way, whole};
use crate::start::config::outputs;

fn read_text(text: &str) -> (Vec<Settings>, Vec<String>, Vec<String>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    let root = crate::start::config::assemble::read(file.path(), &[], &mut Vec::new()).unwrap();
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    let read = read(&root, &mut faults, &mut warnings);
    let told =
        |problems: Vec<Problem>| problems.into_iter().map(|p| format!("{}:{} {}", p.line, p.message, p.hint)).collect();
    (read, told(faults), told(warnings))
}

fn one(text: &str) -> Settings {
    let (mut read, faults, warnings) = read_text(&format!("tapwire:\n  outputs:\n  - {{name: x, {text}}}\n"));
    assert_eq!((read.len(), faults, warnings), (1, Vec::new(), Vec::new()), "{text}");
    read.pop().unwrap()
}

#[test]
fn every_type_is_read_with_what_is_usual_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let secret = format!("secret-file: {}", secret.display());
    for (text, place) in [
        ("type: relp, to: 'h'", Place::Tcp(crate::sinks::deliver::Address { host: "h".into(), port: 2514 })),
        ("type: lines, to: 'tls://h:7'", Place::Tls(crate::sinks::deliver::Address { host: "h".into(), port: 7 })),
        ("type: lines, to: /run/x", Place::Unix("/run/x".into())),
    ] {
        let (Way::Relp(_, route) | Way::Lines(route)) = one(text).way else { panic!("{text}") };
        assert_eq!(route.place, place, "{text}");
    }
    let Way::Syslog(look, syslog::To::Stream(route), _) = one("type: syslog, to: 'tls://h', encoding: cef").way else {
        panic!("it is no stream")
    };
    assert_eq!(
        (look.header, look.facility, look.level, &*look.identity),
        (syslog::Header::Rfc5424, 20, None, "suricata")
    );
    assert!(matches!(&route.place, Place::Tls(address) if address.port == 6514));
    assert!(matches!(one("type: syslog, to: 'udp://h', facility: local0, level: Info, format: rfc3164").way,
        Way::Syslog(look, syslog::To::Udp(_), _) if look.facility == 16 && look.level == Some(6) && look.header == syslog::Header::Rfc3164));
    assert!(matches!(one("type: syslog, to: /dev/log").way,
        Way::Syslog(look, syslog::To::Datagrams(_), _) if look.header == syslog::Header::Local));
    assert!(matches!(one("type: datagrams, to: 'unix:/run/x'").way, Way::Datagrams(..)));
    assert!(matches!(one("type: redis, to: h, mode: xadd, stream-length: 5, stream-exact: yes").way,
        Way::Redis(redis) if redis.mode == redis::Mode::Stream { keep: 5, exactly: true }));
    assert!(matches!(one("type: nats, to: h, jetstream: no").way, Way::Nats(nats) if !nats.jetstream));
    assert!(matches!(one(&format!("type: amqp, to: h, {secret}")).way, Way::Amqp(amqp) if amqp.user == "guest"));
    let Way::Splunk(splunk) = one(&format!("type: splunk, to: 'https://h:8088', {secret}")).way else {
        panic!("no splunk")
    };
    assert_eq!((splunk.web.base.as_str(), splunk.web.packing), ("https://h:8088", Packing::Gzip));
    assert!(splunk.acknowledged && !format!("{splunk:?}").contains("hunter2"));
    assert!(
        matches!(one("type: elastic, to: 'https://h/es/'").way, Way::Bulk(bulk) if bulk.web.base == "https://h/es")
    );
    let sentinel = format!("type: sentinel, to: 'https://h', tenant: t, user: a, rule: r, stream-name: s, {secret}");
    assert!(matches!(one(&sentinel).way, Way::Sentinel(_)));
    assert!(
        matches!(one(&format!("type: http, to: 'https://h/{{type}}', body: list, {secret}")).way, Way::Post(post) if post.list)
    );
    assert!(matches!(one(&format!("type: s3, to: 'https://h/b', user: k, {secret}")).way,
        Way::S3(s3) if s3.bucket == "b" && s3.host == "h"));
    let s3 = format!("type: s3, to: 'https://h/b', user: k, {secret}");
    assert!(matches!(one(&format!("{s3}, objects: segments")).way, Way::Whole(whole::Settings {
        form: whole::Form::Segment, place: whole::Place::Store(s3) }) if s3.web.timeout.as_secs() == 600));
    let folder = one("type: folder, to: lake, objects: segments");
    assert_eq!((folder.form(), folder.way.folder()), ("segments", None));
    assert_eq!(folder.way.below(std::path::Path::new("/log")).folder(), Some(std::path::Path::new("/log/lake")));
    let settings = one(
        "type: lines, to: /x, profile: minimal, types: [alert, flow], without-types: none, severity: 2, networks: [10.0.0.0/8, '::1'], tags: [c2], record-bytes: 4 KiB, rate: 0",
    );
    assert_eq!(settings.profile.name, "minimal");
    assert_eq!(
        (settings.filter.networks.len(), settings.filter.severity, settings.record_bytes, settings.rate_bytes),
        (2, 2, 4096, 0)
    );
}

#[cfg(feature = "kafka")]
#[test]
fn kafka_has_servers_and_options() {
    let Way::Kafka(kafka) = one("type: kafka, to: 'kafka://a:1,b:2', options: {linger.ms: 5}").way else {
        panic!("no kafka")
    };
    assert_eq!((kafka.servers.as_str(), kafka.options.len()), ("a:1,b:2", 1));
}

#[test]
fn what_cannot_be_right_is_named_with_its_place_and_secrets_are_shown_by_nothing() {
    for (text, line, said) in [
        ("name: a\n    to: x:1", 3, "has no type"),
        ("name: a\n    type: waldo\n    to: x:1", 4, "`waldo` is no type"),
        ("type: lines\n    to: x:1", 3, "has no name"),
        ("name: a/b\n    type: lines\n    to: x:1", 3, "no name for an output"),
        ("name: a\n    type: lines\n    to: x", 5, "not reached in this way"),
        ("name: a\n    type: lines\n    to: ftp://x", 5, "begins with none of"),
        ("name: a\n    type: splunk\n    to: https://x", 3, "needs the token"),
        ("name: a\n    type: http\n    to: https://me:hunter2@x", 5, "a password has no place"),
        ("name: a\n    type: http\n    to: https://x\n    password: hunter2", 6, "`password` has no place"),
        ("name: a\n    type: http\n    to: https://x\n    secret-file: /none", 6, "cannot be read"),
        (
            "name: a\n    type: http\n    to: https://x\n    headers: {Authorization: hunter2}",
            6,
            "cannot be such a header",
        ),
        ("name: a\n    type: lines\n    to: x:1\n    tls: {certificate: /none}", 6, "half of"),
        ("name: a\n    type: lines\n    to: x:1\n    networks: [10.0.0.0/99]", 6, "is no network"),
        ("name: a\n    type: lines\n    to: x:1\n    encoding: waldo", 6, "`waldo` is no encoding"),
        ("name: a\n    type: lines\n    to: x:1\n    profile: waldo", 6, "`waldo` is no profile"),
        (
            "name: a\n    type: lines\n    encoding: cef\n    to: x:1\n    profile: minimal",
            7,
            "only `eve` has profiles",
        ),
        ("name: a\n    type: redis\n    to: x:1\n    key: 'a{waldo}'", 6, "is no name for key"),
        ("name: a\n    type: lines\n    to: x:1\n  - name: a\n    type: lines\n    to: x:1", 6, "two outputs"),
    ] {
        let (_, faults, _) = read_text(&format!("tapwire:\n  outputs:\n  - {text}\n"));
        assert!(
            faults.iter().any(|fault| fault.starts_with(&format!("{line}:")) && fault.contains(said)),
            "{said}: {faults:?}"
        );
        assert!(!faults.iter().any(|fault| fault.contains("hunter2")), "{faults:?}");
    }
    let (read, faults, warnings) =
        read_text("tapwire:\n  outputs:\n  - {name: a, type: lines, to: 'x:1', waldo: 1, tls: {wald: 2}}\n");
    assert_eq!((read.len(), faults.len(), warnings.len()), (1, 0, 2), "{warnings:?}");
    let (read, ..) = read_text("tapwire:\n  outputs:\n  - {name: a, type: waldo, enabled: no}\n");
    assert!(read.is_empty());
}

#[test]
fn what_is_a_secret_is_told_by_its_key_or_by_its_place_in_an_address() {
    for (path, text, expected) in [
        ("outputs.0.eve-log.redis.password", "x", true),
        ("tapwire.outputs.0.token", "x", true),
        ("tapwire.outputs.0.to", "https://me:hunter2@h/x", true),
        ("tapwire.outputs.0.to", "https://me@h:443/x", false),
        ("tapwire.outputs.0.secret-file", "/etc/x", false),
        ("vars.address-groups.HOME_NET", "[10.0.0.0/8]", false),
    ] {
        assert_eq!(is_secret(path, text), expected, "{path} = {text}");
    }
}

#[test]
fn the_filetypes_of_suricata_are_deliveries_and_another_one_is_a_fault() {
    let read = |text: &str| {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let node = Node::parse(&format!("- eve-log: {{enabled: yes, types: [alert], {text}}}\n"));
        let read = outputs::read(Some(&node), (Default::default(), 0), &mut faults, &mut warnings);
        (read, faults)
    };
    for (text, shown) in [
        ("filetype: unix_stream, filename: a.sock", "unix_stream a.sock"),
        ("filetype: unix_dgram, filename: /run/a.sock", "unix_dgram /run/a.sock"),
        ("filetype: syslog, facility: local1, level: Alert, prefix: '@cee: '", "syslog /dev/log"),
        ("type: syslog", "syslog /dev/log"),
        ("filetype: redis, redis: {server: r, port: 7, mode: publish, key: k, password: hunter2}", "redis r:7"),
    ] {
        let (read, faults) = read(text);
        assert_eq!((read.deliveries.len(), faults.len()), (1, 0), "{text}");
        let delivery = &read.deliveries[0];
        assert_eq!((delivery.to.as_str(), Some(&delivery.log)), (shown, read.eve[0].log.as_ref()));
        assert!(!format!("{delivery:?}").contains("hunter2"));
    }
    for text in ["filetype: regular", "filetype: file", "filename: x"] {
        let (read, faults) = read(text);
        assert!(read.deliveries.is_empty() && read.eve[0].log.is_none() && faults.is_empty(), "{text}");
    }
    let (read, faults) = read("filetype: waldo");
    assert!(read.deliveries.is_empty() && faults.len() == 1 && faults[0].message.contains("`waldo` is no filetype"));
}

#[test]
fn outputs_of_whole_segments_choose_nothing_and_parquet_takes_a_feature() {
    for (text, expected) in [
        ("objects: segments, types: [alert]", "`types` has no effect"),
        ("objects: segments, encoding: cef", "`encoding` has no effect"),
        ("objects: batches", "`batches` is no objects"),
    ] {
        let (_, faults, _) =
            read_text(&format!("tapwire:\n  outputs:\n  - {{name: x, type: folder, to: /srv/x, {text}}}\n"));
        assert!(faults.len() == 1 && faults[0].contains(expected), "{text}: {faults:?}");
    }
    let (read, faults, _) = read_text("tapwire:\n  outputs:\n  - {name: x, type: folder, to: /srv/x, types: [dns]}\n");
    assert_eq!((read.len(), faults.len()), if cfg!(feature = "parquet") { (1, 0) } else { (0, 1) }, "{faults:?}");
}
