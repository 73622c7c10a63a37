//! Kafka, through librdkafka: idempotent, acknowledged by all replicas, compressed with zstd, keyed so that records of a flow stay in order.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode;

use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::tls::Tls;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble, set};

/// What a sink says of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers to begin with, as `host:port` with commas.
    pub servers: String,
    /// The topic of a record.
    pub topic: Template,
    /// What is said of TLS, where there is any.
    pub tls: Option<Tls>,
    /// How the sensor says who it is (`PLAIN`, `SCRAM-SHA-512`), its name and its password.
    pub account: Option<(String, String, Secret)>,
    /// Options of librdkafka's own, which count last.
    pub options: Vec<(String, String)>,
    /// How long a batch may take.
    pub timeout: Duration,
}

/// Sends messages.
pub struct Kafka {
    settings: Settings,
    producer: Option<BaseProducer<Outcomes>>,
}

/// What became of messages, by their places.
#[derive(Default)]
struct Outcomes {
    of: Mutex<Vec<(usize, Result<(), KafkaError>)>>,
    /// What the client said last of servers.
    error: Mutex<Option<String>>,
}

impl ClientContext for Outcomes {
    fn error(&self, error: KafkaError, words: &str) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{words} ({error})"));
    }
}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let result = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        self.of.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
    }
}

impl Kafka {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, producer: None }
    }

    fn open(&self) -> Result<BaseProducer<Outcomes>, Trouble> {
        let Settings { servers, tls, account, options, timeout, .. } = &self.settings;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("client.id", "tapwire");
        config.set("enable.idempotence", "true").set("acks", "all").set("compression.codec", "zstd");
        config.set("linger.ms", "20").set("queue.buffering.max.kbytes", "262144");
        config.set("message.timeout.ms", timeout.as_millis().to_string());
        let protocol = match (tls, account) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = tls {
            let files = [
                ("ssl.ca.location", &tls.authorities),
                ("ssl.certificate.location", &tls.certificate),
                ("ssl.key.location", &tls.key),
            ];
            for (key, path) in files {
                if let Some(path) = path {
                    config.set(key, path.display().to_string());
                }
            }
            if tls.unverified {
                config.set("enable.ssl.certificate.verification", "false");
            }
        }
        if let Some((mechanism, user, password)) = account {
            config.set("sasl.mechanism", mechanism).set("sasl.username", user).set("sasl.password", password.read()?);
        }
        for (key, value) in options {
            config.set(key, value);
        }
        config.create_with_context(Outcomes::default()).map_err(|error| Trouble::away(error.to_string()))
    }
}

impl Transport for Kafka {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.open()?,
        };
        let until = Instant::now() + self.settings.timeout + Duration::from_secs(5);
        let (mut awaited, mut away) = (0, None);
        for (place, item) in items.iter().enumerate() {
            let (topic, key) = (self.settings.topic.of(&item.head), item.head.key().into_owned());
            let headers = OwnedHeaders::new().insert(Header { key: "event_id", value: Some(&*item.id) });
            let mut record = BaseRecord::with_opaque_to(&topic, place).key(&key).payload(item.body).headers(headers);
            loop {
                match producer.send(record) {
                    Ok(()) => {
                        awaited += 1;
                        break;
                    }
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                        if Instant::now() < until =>
                    {
                        producer.poll(Duration::from_millis(50));
                        record = back;
                    }
                    Err((error, _)) => {
                        judge(error, place, answers, &mut away);
                        break;
                    }
                }
            }
        }
        while awaited > 0 && Instant::now() < until {
            producer.poll(Duration::from_millis(100));
            awaited -= take(&producer, answers, &mut away);
        }
        if awaited > 0 {
            // What is still on its way must not arrive after it was sent again.
            producer.purge(PurgeConfig::default().queue().inflight());
            producer.poll(Duration::from_millis(100));
            take(&producer, answers, &mut away);
            away.get_or_insert_with(|| "it does not answer in time".to_owned());
        }
        let Some(words) = away else {
            self.producer = Some(producer);
            return Ok(());
        };
        let said = producer.context().error.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Trouble::away(said.map_or(words.clone(), |said| format!("{words}: {said}"))))
    }
}

/// Takes what became of messages; how many.
fn take(producer: &BaseProducer<Outcomes>, answers: &mut [Answer], away: &mut Option<String>) -> usize {
    let outcomes = std::mem::take(&mut *producer.context().of.lock().unwrap_or_else(PoisonError::into_inner));
    let count = outcomes.len();
    for (place, result) in outcomes {
        match result {
            Ok(()) => set(answers, place, Answer::Delivered),
            Err(error) => judge(error, place, answers, away),
        }
    }
    count
}

/// What an error means: some are about a message, most about the servers.
fn judge(error: KafkaError, place: usize, answers: &mut [Answer], away: &mut Option<String>) {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessage | RDKafkaErrorCode::InvalidRecord,
        ) => set(answers, place, Answer::Refused(error.to_string())),
        _ => *away = Some(error.to_string()),
    }
}
