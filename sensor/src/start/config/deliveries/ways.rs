//! What each kind of receiver has for keys of its own.

use std::time::Duration;

use super::Reader;
use super::address::{Scheme, Written};
use crate::sinks::deliver::receivers::{AmqpSettings, bulk, nats, post, redis, s3, sentinel, splunk, syslog};
use crate::sinks::deliver::{Packing, Place, Route, Tls, Way, Web, whole};

/// How long a request may take.
const TIMEOUT_MS: u64 = 30_000;
/// The same of one that takes a whole file along.
const FILE_TIMEOUT_MS: u64 = 600_000;

impl Reader<'_> {
    /// How the receiver is spoken to.
    pub(super) fn way(&mut self, kind: &'static str, written: &Written) -> Option<Way> {
        let form = match kind {
            "s3" | "folder" => self.form(kind)?,
            _ => None,
        };
        let usual = if form.is_some() { FILE_TIMEOUT_MS } else { TIMEOUT_MS };
        let timeout = self.milliseconds("timeout", usual).max(Duration::from_millis(1));
        match kind {
            "syslog" => self.syslog(written, timeout),
            "relp" => Some(Way::Relp(self.look(false)?, self.route(written, 2514, timeout)?)),
            "lines" => Some(Way::Lines(self.route(written, 0, timeout)?)),
            "datagrams" if written.scheme == Scheme::Unix => Some(Way::Datagrams(written.socket(), timeout)),
            "datagrams" => self.wrong_scheme("unix:/path of a socket"),
            "redis" => self.redis(written, timeout),
            "nats" => self.nats(written, timeout),
            "amqp" => self.amqp(written, timeout),
            "splunk" => self.splunk(written, timeout),
            "elastic" | "opensearch" => self.bulk(written, timeout),
            "sentinel" => self.sentinel(written, timeout),
            "http" => self.post(written, timeout),
            "folder" => {
                Some(Way::Whole(whole::Settings { form: form?, place: whole::Place::Folder(written.socket()) }))
            }
            "s3" => {
                let s3 = self.s3(written, timeout, form)?;
                Some(match form {
                    Some(form) => Way::Whole(whole::Settings { form, place: whole::Place::Store(Box::new(s3)) }),
                    None => Way::S3(s3),
                })
            }
            #[cfg(feature = "kafka")]
            "kafka" => self.kafka(written, timeout),
            _ => None,
        }
    }

    fn wrong_scheme<T>(&mut self, wanted: &str) -> Option<T> {
        self.fault_at("to", "such an output is not reached in this way".to_owned(), &format!("write {wanted}"));
        None
    }

    fn route(&mut self, written: &Written, port: u16, timeout: Duration) -> Option<Route> {
        let place = match (written.scheme, written.address_or(port)) {
            (Scheme::Unix, _) => Place::Unix(written.socket()),
            (Scheme::Tcp, Some(address)) if address.port > 0 => Place::Tcp(address),
            (Scheme::Tls, Some(address)) if address.port > 0 => Place::Tls(address),
            (Scheme::Tcp | Scheme::Tls, _) => return self.wrong_scheme("the port behind the host"),
            _ => return self.wrong_scheme("tcp://host:port, tls://host:port or unix:/path"),
        };
        Some(Route { place, tls: self.tls(), proxy: self.proxy(), timeout })
    }

    /// Where HTTP is spoken; a path is only for those that have none of their own.
    fn web(&mut self, written: &Written, timeout: Duration, packings: &[&'static str]) -> Option<Web> {
        let Some(base) = written.base() else { return self.wrong_scheme("https://host") };
        let packing = match self.choice("compression", packings) {
            "gzip" => Packing::Gzip,
            "zstd" => Packing::Zstd,
            _ => Packing::Plain,
        };
        Some(Web { base, tls: self.tls(), proxy: self.proxy(), timeout, packing, headers: self.headers() })
    }

    fn headers(&mut self) -> Vec<(String, String)> {
        let node = self.node.get("headers");
        let entries = node.map(super::Node::entries).unwrap_or_default();
        let mut headers = Vec::new();
        for (name, value) in entries {
            let Some(text) = value.text() else { continue };
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !is_name || text.chars().any(char::is_control) || name.eq_ignore_ascii_case("authorization") {
                let hint = "a name and a text of one line; who the sensor is goes into `secret-file`";
                self.faults.push(value.key_problem(format!("`{name}` cannot be such a header"), hint));
                continue;
            }
            headers.push((name.clone(), text.to_owned()));
        }
        headers
    }

    fn look(&mut self, local: bool) -> Option<syslog::Look> {
        let formats = if local { ["local", "rfc5424", "rfc3164"] } else { ["rfc5424", "rfc3164", "local"] };
        let facility = self.choice("facility", &with_first("local4", &syslog::FACILITIES));
        let level = self.text("level").map(|_| self.choice("level", &syslog::LEVELS));
        Some(syslog::Look {
            header: match self.choice("format", &formats) {
                "rfc3164" => syslog::Header::Rfc3164,
                "local" => syslog::Header::Local,
                _ => syslog::Header::Rfc5424,
            },
            framing: match self.choice("framing", &["octet-counting", "lines"]) {
                "lines" => syslog::Framing::LineFeed,
                _ => syslog::Framing::OctetCounting,
            },
            identity: self.text("identity").unwrap_or("suricata").to_owned(),
            facility: self::facility(facility),
            level: level.and_then(self::level),
            host: self.host(),
            prefix: self.text("prefix").unwrap_or_default().to_owned(),
        })
    }

    fn syslog(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        let look = self.look(written.scheme == Scheme::Unix)?;
        let to = match (written.scheme, written.address_or(514)) {
            (Scheme::Udp, Some(address)) => syslog::To::Udp(address),
            (Scheme::Unix, _) if self.switch("stream", false) => {
                syslog::To::Stream(Box::new(self.route(written, 0, timeout)?))
            }
            (Scheme::Unix, _) => syslog::To::Datagrams(written.socket()),
            (Scheme::Tls, _) => syslog::To::Stream(Box::new(self.route(written, 6514, timeout)?)),
            _ => syslog::To::Stream(Box::new(self.route(written, 601, timeout)?)),
        };
        Some(Way::Syslog(look, to, timeout))
    }

    fn redis(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        let keep = u64::try_from(self.count("stream-length", 100_000)).unwrap_or(0);
        let mode = match self.choice("mode", &["list", "lpush", "rpush", "channel", "publish", "stream", "xadd"]) {
            "rpush" => redis::Mode::PushRight,
            "channel" | "publish" => redis::Mode::Publish,
            "stream" | "xadd" => redis::Mode::Stream { keep, exactly: self.switch("stream-exact", false) },
            _ => redis::Mode::PushLeft,
        };
        Some(Way::Redis(redis::Settings {
            route: self.route(written, 6379, timeout)?,
            mode,
            key: self.template("key", "suricata")?,
            user: self.text("user").map(str::to_owned),
            password: self.secret(),
            database: u32::try_from(self.count("database", 0)).unwrap_or(0),
        }))
    }

    fn nats(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        Some(Way::Nats(nats::Settings {
            route: self.route(written, 4222, timeout)?,
            subject: self.template("subject", "tapwire.{type}")?,
            jetstream: self.switch("jetstream", true),
            user: self.text("user").map(str::to_owned),
            password: self.secret(),
        }))
    }

    fn amqp(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        let port = if written.scheme == Scheme::Tls { 5671 } else { 5672 };
        Some(Way::Amqp(AmqpSettings {
            route: self.route(written, port, timeout)?,
            user: self.text("user").unwrap_or("guest").to_owned(),
            password: self.needed_secret("the password of its user")?.into(),
            virtual_host: self.text("virtual-host").unwrap_or("/").to_owned(),
            exchange: self.text("exchange").unwrap_or_default().to_owned(),
            key: self.template("key", "tapwire")?,
        }))
    }

    fn splunk(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        Some(Way::Splunk(splunk::Settings {
            web: self.web(written, timeout, &["gzip", "none"])?,
            token: self.needed_secret("the token of the collector")?,
            acknowledged: self.switch("acknowledge", true),
            patience: self.milliseconds("patience", 120_000),
            source_type: self.template("source-type", "suricata:{type}")?,
            source: self.text("source").map(str::to_owned),
            index: self.text("index").map(|_| self.template("index", "")).unwrap_or_default(),
            host: self.host(),
        }))
    }

    /// A user with a password, or a token behind a word.
    fn account(&mut self, word: &str) -> Option<post::Account> {
        let secret = self.secret()?;
        Some(match self.text("user") {
            Some(user) => post::Account::User(user.to_owned(), secret),
            None => post::Account::Token(self.text("authorization").unwrap_or(word).to_owned(), secret),
        })
    }

    fn bulk(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        let web = self.web(written, timeout, &["gzip", "none"])?;
        let web = Web { base: format!("{}{}", web.base, written.path.trim_end_matches('/')), ..web };
        Some(Way::Bulk(bulk::Settings {
            web,
            account: self.account("ApiKey"),
            index: self.template("index", "logs-tapwire.{type}-default")?,
            pipeline: self.text("pipeline").map(str::to_owned),
        }))
    }

    fn sentinel(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        let mut needed = |key: &str, what: &str| {
            let text = self.text(key).map(str::to_owned);
            if text.is_none() {
                self.fault(
                    self.node,
                    format!("the output needs `{key}`, {what}"),
                    "its page in the documentation says where that stands",
                );
            }
            text
        };
        let tenant = needed("tenant", "the id of the directory")?;
        let client = needed("user", "the id of the application")?;
        let rule = needed("rule", "the immutable id of the rule of data collection")?;
        let stream = needed("stream-name", "such as Custom-Tapwire_CL")?;
        Some(Way::Sentinel(sentinel::Settings {
            web: self.web(written, timeout, &["gzip", "none"])?,
            authority: self.text("authority").unwrap_or("https://login.microsoftonline.com").to_owned(),
            tenant,
            client,
            secret: self.needed_secret("the secret of the application")?,
            scope: self.text("scope").unwrap_or("https://monitor.azure.com//.default").to_owned(),
            rule,
            stream,
        }))
    }

    fn post(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        let path = if written.path.is_empty() { "/" } else { &written.path };
        let path = crate::sinks::deliver::Template::read(path);
        if path.is_none() {
            self.fault_at("to", "in braces stand type, date, hour or host".to_owned(), "https://host/{type}");
        }
        let media_type = match self.encoding()?.media_type {
            "application/json" => "application/x-ndjson",
            other => other,
        };
        Some(Way::Post(post::Settings {
            web: self.web(written, timeout, &["none", "gzip", "zstd"])?,
            account: self.account("Bearer"),
            path: path?,
            list: self.choice("body", &["lines", "list"]) == "list",
            media_type,
        }))
    }

    /// What becomes of whole segments; nothing for batches of records. The outer nothing: it cannot be.
    fn form(&mut self, kind: &str) -> Option<Option<whole::Form>> {
        let choices: &[&'static str] =
            if kind == "folder" { &["parquet", "segments"] } else { &["batches", "parquet", "segments"] };
        let before = self.faults.len();
        let form = match self.choice("objects", choices) {
            "batches" => return Some(None),
            "segments" => whole::Form::Segment,
            #[cfg(feature = "parquet")]
            "parquet" => whole::Form::Columns,
            // What is no kind of objects was told.
            _ if self.faults.len() > before => return None,
            _ => {
                let hint = "build it with `cargo build --release --features parquet`, or write `objects: segments`";
                self.fault_at("objects", "this program is built without Parquet".to_owned(), hint);
                return None;
            }
        };
        // Records stay as they are stored: what would change them, or choose among them, would be for nothing.
        let of_records = ["encoding", "profile", "record-bytes", "batch-bytes", "batch-records", "batch-wait"];
        let of_choice = ["types", "without-types", "severity", "networks", "tags"];
        let is_whole = form == whole::Form::Segment;
        for key in of_records.into_iter().chain(of_choice.into_iter().filter(|_| is_whole)) {
            if self.text(key).is_some() || self.node.get(key).is_some() {
                let message = format!("`{key}` has no effect on an output of whole segments");
                self.fault_at(key, message, "leave it out, or choose other `objects`");
            }
        }
        Some(Some(form))
    }

    fn s3(&mut self, written: &Written, timeout: Duration, form: Option<whole::Form>) -> Option<s3::Settings> {
        let bucket = written.path.trim_matches('/');
        if bucket.is_empty() || bucket.contains('/') {
            return self.wrong_scheme("https://host/bucket");
        }
        let web = self.web(written, timeout, &["zstd", "gzip", "none"])?;
        let host = web.base.split_once("://").map(|(_, host)| host.to_owned())?;
        let Some(key) = self.text("user").map(str::to_owned) else {
            self.fault(
                self.node,
                "the output needs `user`, the id of its key".to_owned(),
                "its secret is what `secret-file` names",
            );
            return None;
        };
        // Files of columns have folders of their own.
        let has_folders = form.is_some_and(|form| form != whole::Form::Segment);
        let prefix = if has_folders { "tapwire/" } else { "tapwire/{date}/{hour}/" };
        Some(s3::Settings {
            host,
            web,
            bucket: bucket.to_owned(),
            prefix: self.template("prefix-of-names", prefix)?,
            region: self.text("region").unwrap_or("us-east-1").to_owned(),
            key,
            secret: self.needed_secret("the secret of its key")?,
        })
    }

    #[cfg(feature = "kafka")]
    fn kafka(&mut self, written: &Written, timeout: Duration) -> Option<Way> {
        use crate::sinks::deliver::receivers::kafka;
        let servers = match (written.scheme, written.address_or(9092)) {
            (Scheme::Tcp | Scheme::Tls, Some(address)) if address.host.contains(',') => address.host,
            (Scheme::Tcp | Scheme::Tls, Some(address)) => address.to_string(),
            _ => return self.wrong_scheme("kafka://host:9092,host2:9092 or tls://…"),
        };
        let account = match self.text("user") {
            None => None,
            Some(user) => {
                let mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"];
                let mechanism = self.choice("mechanism", &mechanisms).to_owned();
                Some((mechanism, user.to_owned(), self.needed_secret("the password of its user")?))
            }
        };
        // `linger.ms` is one below `linger` for whoever reads the file.
        let options = self.node.get("options").map(super::Node::flatten).unwrap_or_default();
        Some(Way::Kafka(kafka::Settings {
            servers,
            topic: self.template("topic", "tapwire-{type}")?,
            tls: (written.scheme == Scheme::Tls).then(|| self.tls()),
            account,
            options: options.0.into_iter().collect(),
            timeout,
        }))
    }
}

/// Without TLS, proxies and certificates: for a route on this machine.
pub(super) fn plain(place: Place) -> Route {
    Route { place, tls: Tls::default(), proxy: None, timeout: Duration::from_millis(TIMEOUT_MS) }
}

/// The number of a facility.
pub(super) fn facility(word: &str) -> u8 {
    place(&syslog::FACILITIES, word).unwrap_or(20)
}

/// The number of a level.
pub(super) fn level(word: &str) -> Option<u8> {
    place(&syslog::LEVELS, word)
}

fn place(words: &[&str], word: &str) -> Option<u8> {
    words.iter().position(|known| *known == word).and_then(|place| u8::try_from(place).ok())
}

/// The words with one of them first, which is what holds where none is said.
fn with_first(first: &'static str, words: &[&'static str]) -> Vec<&'static str> {
    std::iter::once(first).chain(words.iter().copied()).collect()
}
