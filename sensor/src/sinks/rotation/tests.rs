use super::*;

const NINE: Timestamp = Timestamp(1_796_115_600_000_000);

#[test]
fn intervals_are_read_as_suricata_does() {
    for (text, every) in [
        ("minute", Some(Every::Multiple(60))),
        ("day", Some(Every::Multiple(86_400))),
        ("30s", Some(Every::Seconds(30))),
        ("15m", Some(Every::Seconds(900))),
        ("1d", Some(Every::Seconds(86_400))),
        ("1w", Some(Every::Seconds(604_800))),
        ("90", Some(Every::Seconds(90))),
        ("0", None),
        ("", None),
        ("1y", None),
        ("99999999w", None),
    ] {
        assert_eq!(Every::parse(text), every, "{text}");
    }
}

#[test]
fn files_are_finished_at_a_multiple_after_a_time_or_by_their_bytes_and_never_empty() {
    let since = Since::now(NINE);
    let later = |s: u64| Timestamp(NINE.0 + s * 1_000_000);
    let hourly = Rotation { every: Some(Every::Multiple(3_600)), ..Rotation::default() };
    assert!(!hourly.is_due(since, 1, later(3_599)) && hourly.is_due(since, 1, later(3_600)));
    assert!(!hourly.is_due(since, 0, later(3_600)), "there is nothing in it");
    assert!(hourly.is_due(since, 1, later(0).0.checked_sub(1).map(Timestamp).unwrap()), "a clock that went back");
    let large = Rotation { bytes: 100, ..Rotation::default() };
    assert!(!large.is_due(since, 99, NINE) && large.is_due(since, 100, NINE));
    assert!(!Rotation::default().is_due(since, u64::MAX, later(1 << 30)));
    let soon = Rotation { every: Some(Every::Seconds(3_600)), ..Rotation::default() };
    assert!(!soon.is_due(since, 1, later(1 << 30)), "the time of day is not asked");
}

#[test]
fn names_have_the_time_in_them_and_are_recognised_by_their_pattern() {
    let path = |text: &str| PathBuf::from(text);
    assert_eq!(named(Path::new("a/eve-%Y%m%dT%H%M%SZ.json"), NINE), path("a/eve-20261201T090000Z.json"));
    assert_eq!(named(Path::new("eve.json"), NINE), path("eve.json"));
    for (pattern, name, is_one) in [
        ("eve-%Y%m%d.json", "eve-20261201.json", true),
        ("eve-%Y%m%d.json", "eve-20261201-12.json", true),
        ("eve-%Y%m%d.json", "eve-old.json", false),
        ("eve-%Y%m%d.json", "eve-20261201.json.gz", false),
        ("eve-%Y%m%d.json", "eve-.json", false),
        ("eve.json.%Y%m%dT%H%M%SZ", "eve.json.20261201T090000Z", true),
        ("eve.json.%Y%m%dT%H%M%SZ", "eve.json.20261201T090000Z-3", true),
        ("eve.json.%Y%m%dT%H%M%SZ", "eve.json", false),
        ("eve.json.%Y%m%dT%H%M%SZ", "eve.json.backup", false),
        ("%b-%d.log", "Dec-01.log", true),
        ("%s", "1796115600", true),
    ] {
        assert_eq!(is_of(pattern, name), is_one, "{pattern} {name}");
    }
    assert!(checked("eve-%Y.json").is_ok() && checked("eve-%!.json").is_err());
}

#[test]
fn finished_files_get_their_place_and_the_oldest_go() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, archive) = (outer.path().join("logs"), outer.path().join("old"));
    for (pattern, archive, left) in [
        ("eve.json", None, 2),
        ("eve.json", Some(archive.clone()), 2),
        ("eve-%s.json", None, 2),
        ("eve-%s.json", Some(archive), 2),
    ] {
        fs::create_dir_all(&folder).unwrap();
        let rotation = Rotation { keep: 2, archive: archive.clone(), ..Rotation::default() };
        let pattern = folder.join(pattern);
        fs::write(folder.join("eve.json.note"), "not ours").unwrap();
        for turn in 0..5_u64 {
            let now = Timestamp(NINE.0 + turn * 1_000_000);
            let path = named_anew(&pattern, now);
            fs::write(&path, format!("{turn}")).unwrap();
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs(turn);
            fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
            rotation.finish(&path, &pattern, now).unwrap();
        }
        let place = archive.unwrap_or_else(|| folder.clone());
        let mut texts: Vec<String> =
            fs::read_dir(&place).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap()).collect();
        texts.sort();
        texts.retain(|text| text != "not ours");
        assert_eq!(
            (texts.len(), texts.last().map(String::as_str)),
            (left, Some("4")),
            "{pattern:?} {place:?}: {texts:?}"
        );
        assert!(folder.join("eve.json.note").exists());
        fs::remove_dir_all(&folder).unwrap();
        drop(fs::remove_dir_all(&place));
    }
    fs::create_dir_all(&folder).unwrap();
    let taken = folder.join("eve-1796115600.json");
    fs::write(&taken, "").unwrap();
    assert_eq!(named_anew(&folder.join("eve-%s.json"), NINE), folder.join("eve-1796115600-1.json"));
}
