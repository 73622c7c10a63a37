//! `outputs`: `eve-log` with a `filetype` that is no file, as Suricata has them. Each has a log of its own, from which it is delivered.

use std::path::PathBuf;
use std::time::Duration;

use super::ways::{facility, level, plain};
use super::{host, without_excerpt};
use crate::sinks::deliver::receivers::{redis, syslog};
use crate::sinks::deliver::{Address, Filter, Place, Route, Secret, Settings, Template, Way};
use crate::sinks::encode;
use crate::start::config::Problem;
use crate::start::config::node::Node;

/// Kinds of files, as Suricata calls them.
const FILETYPES: [&str; 5] = ["regular", "unix_dgram", "unix_stream", "syslog", "redis"];
/// Suricata's socket of syslog.
const LOCAL_SYSLOG: &str = "/dev/log";

/// The delivery that an `eve-log` asks for; none where it writes a file.
pub(in crate::start::config) fn of_eve_log(
    node: &Node,
    known: &[Settings],
    faults: &mut Vec<Problem>,
) -> Option<Settings> {
    let key = if node.get("filetype").is_some() { "filetype" } else { "type" };
    let kind = match node.get(key).and_then(Node::text) {
        Some("file") => "regular",
        _ => node.choice_at(key, &FILETYPES, faults),
    };
    let path = || PathBuf::from(node.get("filename").and_then(Node::text).unwrap_or("eve.sock"));
    let (way, to) = match kind {
        "unix_stream" => (Way::Lines(plain(Place::Unix(path()))), format!("{kind} {}", path().display())),
        "unix_dgram" => {
            (Way::Datagrams(path(), plain(Place::Unix(path())).timeout), format!("{kind} {}", path().display()))
        }
        "syslog" => (local_syslog(node, faults), format!("{kind} {LOCAL_SYSLOG}")),
        "redis" => {
            let settings = redis(node.get("redis").unwrap_or(&Node::default()), faults)?;
            let to = format!("{kind} {}", settings.route.place);
            (Way::Redis(settings), to)
        }
        _ => return None,
    };
    let taken = known.iter().filter(|other| other.name.starts_with(&format!("eve-{kind}"))).count();
    let name = if taken == 0 { format!("eve-{kind}") } else { format!("eve-{kind}-{}", taken + 1) };
    let batch_records = match node.at("redis.pipelining.batch-size").and_then(Node::text) {
        Some(text) if kind == "redis" => text.parse().unwrap_or(100_usize).max(1),
        _ => 1_000,
    };
    Some(Settings {
        log: name.clone().into(),
        name,
        to,
        way,
        encoding: encode::by_name("eve")?,
        profile: encode::profile_by_name("suricata8")?,
        record_bytes: if kind == "syslog" || kind == "unix_dgram" { 64 << 10 } else { 1 << 20 },
        // What it has is what its `types` say.
        filter: Filter::default(),
        batch_bytes: 256 << 10,
        batch_records,
        wait: Duration::from_millis(200),
        rate_bytes: 64 << 20,
        from_begin: false,
        host: host(),
        // Suricata's records do not.
        names_sensor: false,
    })
}

fn local_syslog(node: &Node, faults: &mut Vec<Problem>) -> Way {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let look = syslog::Look {
        header: syslog::Header::Local,
        framing: syslog::Framing::LineFeed,
        identity: text("identity").unwrap_or("suricata").to_owned(),
        facility: facility(node.choice_at("facility", &facility_words("local5"), faults)),
        level: level(node.choice_at(
            "level",
            &["Info", "Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Debug"],
            faults,
        )),
        host: host(),
        prefix: text("prefix").unwrap_or_default().to_owned(),
    };
    let route = plain(Place::Unix(LOCAL_SYSLOG.into()));
    Way::Syslog(look, syslog::To::Datagrams(LOCAL_SYSLOG.into()), route.timeout)
}

fn facility_words(first: &'static str) -> Vec<&'static str> {
    std::iter::once(first).chain(syslog::FACILITIES).collect()
}

fn redis(node: &Node, faults: &mut Vec<Problem>) -> Option<redis::Settings> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let mut own = Vec::new();
    let mut number = |key: &str, default: u64| {
        let Some((at, text)) = node.get(key).and_then(|at| Some((at, at.text()?))) else { return default };
        text.parse().unwrap_or_else(|_| {
            own.push(at.problem(format!("`{text}` is no number for redis.{key}"), "a whole number"));
            default
        })
    };
    let port = number("port", 6_379);
    let keep = number("stream-maxlen", 100_000);
    let modes = ["list", "lpush", "rpush", "channel", "publish", "xadd", "stream"];
    let mode = match node.choice_at("mode", &modes, &mut own) {
        "rpush" => redis::Mode::PushRight,
        "channel" | "publish" => redis::Mode::Publish,
        "xadd" | "stream" => {
            redis::Mode::Stream { keep, exactly: node.switch_at("stream-maxlen-exact", false, &mut own) }
        }
        _ => redis::Mode::PushLeft,
    };
    // A line of this part may be the one with the password.
    faults.extend(own.into_iter().map(without_excerpt));
    let address =
        Address { host: text("server").unwrap_or("127.0.0.1").to_owned(), port: u16::try_from(port).unwrap_or(6_379) };
    Some(redis::Settings {
        route: Route { timeout: Duration::from_secs(30), ..plain(Place::Tcp(address)) },
        mode,
        key: Template::read(text("key").unwrap_or("suricata")).or_else(|| Template::read("suricata"))?,
        user: text("username").map(str::to_owned),
        password: text("password").map(|password| Secret::Text(password.to_owned())),
        database: 0,
    })
}
