//! What one delivery obeys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::connection::{Place, Proxy, Route};
use super::filter::Filter;
#[cfg(feature = "kafka")]
use super::receivers::kafka;
use super::receivers::{
    Amqp, AmqpSettings, Datagrams, Lines, Relp, bulk, nats, post, redis, s3, sentinel, splunk, syslog,
};
use super::secret::Secret;
use super::tls::Tls;
use super::transport::Transport;
use super::web::Web;
use super::whole;
use crate::sinks::encode::{Encoding, Profile};

/// A delivery.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// The folder of the log that it reads, below that of records.
    pub log: PathBuf,
    /// Where it goes, in words.
    pub to: String,
    /// How.
    pub way: Way,
    /// In which form.
    pub encoding: &'static Encoding,
    /// What of EVE JSON it gets.
    pub profile: &'static Profile,
    /// Bytes of a record at most.
    pub record_bytes: usize,
    /// Which records.
    pub filter: Filter,
    /// Bytes of a batch.
    pub batch_bytes: usize,
    /// Records of a batch.
    pub batch_records: usize,
    /// How long a batch may be collected.
    pub wait: Duration,
    /// How fast the log is read, in bytes a second; 0 for as fast as it goes.
    pub rate_bytes: u64,
    /// A new delivery begins with what the log has, and not with what comes.
    pub from_begin: bool,
    /// The sensor, where records do not name theirs.
    pub host: String,
    /// Whether records of EVE JSON name it as well.
    pub names_sensor: bool,
}

impl Settings {
    /// The sensor that records name; nothing where they are to stay as they are.
    pub fn sensor_of_records(&self) -> &str {
        if self.names_sensor || self.encoding.name != "eve" { &self.host } else { "" }
    }
}

/// How receivers are spoken to.
#[derive(Clone, Debug)]
pub enum Way {
    /// Syslog.
    Syslog(syslog::Look, syslog::To, Duration),
    /// Syslog with acknowledgements.
    Relp(syslog::Look, Route),
    /// Lines through a stream.
    Lines(Route),
    /// Lines in datagrams.
    Datagrams(PathBuf, Duration),
    /// Redis.
    Redis(redis::Settings),
    /// NATS.
    Nats(nats::Settings),
    /// RabbitMQ.
    Amqp(AmqpSettings),
    /// Splunk.
    Splunk(splunk::Settings),
    /// Elasticsearch, OpenSearch.
    Bulk(bulk::Settings),
    /// Microsoft Sentinel.
    Sentinel(sentinel::Settings),
    /// HTTP.
    Post(post::Settings),
    /// A store that speaks S3.
    S3(s3::Settings),
    /// Whole segments, to a folder or a store.
    Whole(whole::Settings),
    /// Kafka.
    #[cfg(feature = "kafka")]
    Kafka(kafka::Settings),
}

impl Settings {
    /// What records become, in a word.
    pub fn form(&self) -> &'static str {
        match &self.way {
            Way::Whole(settings) => settings.form.name(),
            _ => self.encoding.name,
        }
    }
}

impl Way {
    /// The same with sockets and folders below a folder, unless they say where they are.
    pub fn below(mut self, folder: &Path) -> Self {
        match &mut self {
            Self::Datagrams(path, _) | Self::Syslog(_, syslog::To::Datagrams(path), _) => *path = folder.join(&*path),
            Self::Lines(Route { place: Place::Unix(path), .. })
            | Self::Whole(whole::Settings { place: whole::Place::Folder(path), .. }) => *path = folder.join(&*path),
            _ => {}
        }
        self
    }

    /// Files that are read whenever the receiver is connected to: certificates, keys, secrets.
    pub fn files(&self) -> Vec<PathBuf> {
        let of_route = |route: &Route, secret: Option<&Secret>| of(&route.tls, route.proxy.as_ref(), secret);
        let of_web = |web: &Web, secret: Option<&Secret>| of(&web.tls, web.proxy.as_ref(), secret);
        match self {
            Self::Syslog(_, syslog::To::Stream(route), _) => of_route(route, None),
            Self::Relp(_, route) | Self::Lines(route) => of_route(route, None),
            Self::Syslog(..) | Self::Datagrams(..) => Vec::new(),
            Self::Redis(settings) => of_route(&settings.route, settings.password.as_ref()),
            Self::Nats(settings) => of_route(&settings.route, settings.password.as_ref()),
            Self::Amqp(settings) => of_route(&settings.route, settings.password.as_ref()),
            Self::Splunk(settings) => of_web(&settings.web, Some(&settings.token)),
            Self::Bulk(settings) => of_web(&settings.web, settings.account.as_ref().map(post::Account::secret)),
            Self::Post(settings) => of_web(&settings.web, settings.account.as_ref().map(post::Account::secret)),
            Self::Sentinel(settings) => of_web(&settings.web, Some(&settings.secret)),
            Self::S3(settings) => of_web(&settings.web, Some(&settings.secret)),
            Self::Whole(whole::Settings { place: whole::Place::Store(settings), .. }) => {
                of_web(&settings.web, Some(&settings.secret))
            }
            Self::Whole(_) => Vec::new(),
            #[cfg(feature = "kafka")]
            Self::Kafka(settings) => {
                let secret = settings.account.as_ref().map(|(_, _, secret)| secret);
                of(&settings.tls.clone().unwrap_or_default(), None, secret)
            }
        }
    }

    /// The folder that files are put into, where that is elsewhere.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Whole(whole::Settings { place: whole::Place::Folder(folder), .. }) => {
                Some(&**folder).filter(|folder| folder.is_absolute())
            }
            _ => None,
        }
    }

    /// A way out that is not connected yet.
    pub fn open(&self) -> Box<dyn Transport> {
        match self.clone() {
            Self::Syslog(look, to, timeout) => Box::new(syslog::Syslog::new(look, to, timeout)),
            Self::Relp(look, route) => Box::new(Relp::new(look, route)),
            Self::Lines(route) => Box::new(Lines::new(route)),
            Self::Datagrams(path, timeout) => Box::new(Datagrams::new(path, timeout)),
            Self::Redis(settings) => Box::new(redis::Redis::new(settings)),
            Self::Nats(settings) => Box::new(nats::Nats::new(settings)),
            Self::Amqp(settings) => Box::new(Amqp::new(settings)),
            Self::Splunk(settings) => Box::new(splunk::Splunk::new(settings)),
            Self::Bulk(settings) => Box::new(bulk::Bulk::new(settings)),
            Self::Sentinel(settings) => Box::new(sentinel::Sentinel::new(settings)),
            Self::Post(settings) => Box::new(post::Post::new(settings)),
            Self::S3(settings) => Box::new(s3::S3::new(settings)),
            Self::Whole(settings) => Box::new(whole::Samples::new(&settings)),
            #[cfg(feature = "kafka")]
            Self::Kafka(settings) => Box::new(kafka::Kafka::new(settings)),
        }
    }
}

fn of(tls: &Tls, proxy: Option<&Proxy>, secret: Option<&Secret>) -> Vec<PathBuf> {
    let secrets = secret.into_iter().chain(proxy.and_then(|proxy| proxy.password.as_ref()));
    let secrets = secrets.filter_map(|secret| match secret {
        Secret::File(path) => Some(path.clone()),
        _ => None,
    });
    let tls = [&tls.authorities, &tls.certificate, &tls.key];
    tls.into_iter().flatten().cloned().chain(secrets).collect()
}
