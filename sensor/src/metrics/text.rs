//! Counters as Prometheus reads them (OpenMetrics 1.0).

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::families::{FAMILIES, Family, From, Kind};
use super::outputs;
use crate::run::latency::BOUNDS_US;
use crate::run::window::Snapshot;

/// What is told besides counters.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How far the sensor has given up its rights.
    pub sandbox: String,
    /// Rules that can match, and those that were refused.
    pub rules: (u64, u64),
    /// Memory of the whole process.
    pub resident_bytes: u64,
    /// Whether all of its threads move.
    pub is_well: bool,
}

/// The kind of what [`text`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a moment.
pub fn text(snapshot: &Arc<Snapshot>, facts: Facts) -> String {
    let mut registry = Registry::with_prefix("tapwire");
    registry.register_collector(Box::new(All { snapshot: Arc::clone(snapshot), facts }));
    let mut out = String::new();
    // Writing to a text does not fail.
    let _ = encode(&mut out, &registry);
    out
}

#[derive(Debug)]
struct All {
    snapshot: Arc<Snapshot>,
    facts: Facts,
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.facts(&mut encoder)?;
        for family in FAMILIES {
            self.family(family, &mut encoder)?;
        }
        self.rules(&mut encoder)?;
        self.queues(&mut encoder)?;
        self.latency(&mut encoder)?;
        outputs::encode(&self.snapshot.outputs, &mut encoder)?;
        let help = "Each counter of stats records under its own name";
        let mut all = encoder.encode_descriptor("stats", help, None, MetricType::Unknown)?;
        for (name, count) in &self.snapshot.counters {
            let labels = [("counter", name.as_str())];
            ConstGauge::new(wide(*count)).encode(all.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl All {
    fn facts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (in_use, refused) = self.facts.rules;
        let info = [("version", env!("CARGO_PKG_VERSION")), ("sandbox", &self.facts.sandbox)];
        let mut about = encoder.encode_descriptor("sensor", "What it is", None, MetricType::Info)?;
        about.encode_info(&info)?;
        for (name, help, unit, value) in [
            ("uptime", "Since the run began", Some(Unit::Seconds), self.snapshot.uptime_s),
            ("resident_memory", "Memory of the whole process", Some(Unit::Bytes), self.facts.resident_bytes),
            ("rules_in_use", "Rules that can match", None, in_use),
            ("rules_refused", "Rules that were refused", None, refused),
            ("healthy", "Whether every thread moves", None, u64::from(self.facts.is_well)),
        ] {
            let metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            ConstGauge::new(wide(value)).encode(metric)?;
        }
        Ok(())
    }

    fn family(&self, family: &Family, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
        for (labels, count) in self.values(&family.from) {
            let metric = metric.encode_family(&labels)?;
            match family.kind {
                Kind::Counter => ConstCounter::new(count).encode(metric)?,
                Kind::Gauge => ConstGauge::new(wide(count)).encode(metric)?,
            }
        }
        Ok(())
    }

    /// The values of a family, each with its labels.
    fn values(&self, from: &From) -> Vec<(Vec<(&'static str, String)>, u64)> {
        let counters = &self.snapshot.counters;
        let one = |name: &str| counters.get(name).copied();
        let behind = |prefix: &&'static str| {
            let prefix = *prefix;
            let all = counters.range(prefix.to_owned()..).take_while(move |(name, _)| name.starts_with(prefix));
            all.filter_map(move |(name, count)| Some((name.strip_prefix(prefix)?, *count)))
        };
        match from {
            From::One(name) => one(name).map(|count| (vec![], count)).into_iter().collect(),
            From::Some(label, named) => {
                let values =
                    named.iter().filter_map(|(name, value)| Some((vec![(*label, (*value).to_owned())], one(name)?)));
                values.collect()
            }
            From::All(label, prefixes) => {
                let all = prefixes.iter().flat_map(behind);
                all.map(|(value, count)| (vec![(*label, value.to_owned())], count)).collect()
            }
            From::Pairs([first, second], prefixes) => {
                let all = prefixes.iter().flat_map(behind).filter_map(|(rest, count)| {
                    let (a, b) = rest.split_once('.').filter(|(_, b)| !b.contains('.'))?;
                    Some((vec![(*first, a.to_owned()), (*second, b.to_owned())], count))
                });
                all.collect()
            }
        }
    }

    fn rules(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How often a rule matched, of those that did most often";
        let mut metric = encoder.encode_descriptor("rule_matches", help, None, MetricType::Counter)?;
        for rule in &self.snapshot.rules {
            let (gid, sid) = rule.id;
            let labels = [("gid", gid), ("sid", sid), ("tenant", rule.tenant)];
            ConstCounter::new(rule.matches).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn queues(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, of) in [
            ("worker_queue_batches", "Batches of packets that wait for a worker", 0),
            ("worker_queue_bytes", "Their bytes", 1),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (worker, queue) in (0_u32..).zip(&self.snapshot.queues) {
                let value = if of == 0 { queue.batches } else { queue.bytes };
                ConstGauge::new(wide(value)).encode(metric.encode_family(&[("worker", worker)])?)?;
            }
        }
        Ok(())
    }

    fn latency(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let latency = &self.snapshot.latency;
        let help = "From the first packet of a batch to its records in the log";
        let unit = Some(Unit::Seconds);
        let mut metric = encoder.encode_descriptor("record_latency", help, unit.as_ref(), MetricType::Histogram)?;
        let bounds = BOUNDS_US.iter().map(|bound| seconds(*bound)).chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = bounds.zip(latency.counts).collect();
        metric.encode_histogram::<NoLabelSet>(seconds(latency.sum_us), latency.total(), &buckets, None)
    }
}

fn wide(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "times are no exact numbers")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::window::Queue;
    use crate::sequence::RuleMatches;
    use crate::sinks::deliver::report::Report;

    #[test]
    fn counters_become_metrics_with_labels() {
        let mut snapshot = Snapshot { uptime_s: 9, ..Snapshot::default() };
        for (name, count) in [
            ("tapwire.packets.dropped.kernel", 3),
            ("app_layer.tx.dns_udp", 4),
            ("tapwire.app_layer.tx.ntp", 5),
            ("app_layer.error.http.parser", 6),
            ("app_layer.error.http.exception_policy.bypass", 7),
            ("flow.memuse", 8),
        ] {
            snapshot.counters.insert(name.into(), count);
        }
        snapshot.rules.push(RuleMatches { id: (1, 2001), tenant: 0, matches: 10 });
        snapshot.queues.push(Queue { batches: 1, bytes: 11 });
        snapshot.latency.note(2_000, 2);
        let mut output = Report { name: "siem".into(), delivered: 14, away_since_us: 1, ..Report::default() };
        output.acknowledgement_times.add(40);
        snapshot.outputs.push(output);
        let facts = Facts { sandbox: "full".into(), rules: (12, 1), resident_bytes: 13, is_well: true };
        let text = text(&Arc::new(snapshot), facts);
        for line in [
            "tapwire_uptime_seconds 9",
            "tapwire_healthy 1",
            "tapwire_resident_memory_bytes 13",
            "tapwire_rules_in_use 12",
            "tapwire_packets_dropped_total{reason=\"kernel\"} 3",
            "tapwire_transactions_total{protocol=\"dns_udp\"} 4",
            "tapwire_transactions_total{protocol=\"ntp\"} 5",
            "tapwire_parser_errors_total{protocol=\"http\",why=\"parser\"} 6",
            "tapwire_memory_bytes{part=\"flows\"} 8",
            "tapwire_rule_matches_total{gid=\"1\",sid=\"2001\",tenant=\"0\"} 10",
            "tapwire_worker_queue_bytes{worker=\"0\"} 11",
            "tapwire_record_latency_seconds_bucket{le=\"0.0025\"} 2",
            "tapwire_record_latency_seconds_count 2",
            "tapwire_output_records_total{output=\"siem\",fate=\"delivered\"} 14",
            "tapwire_output_away{output=\"siem\"} 1",
            "tapwire_output_acknowledgement_seconds_bucket{le=\"0.05\",output=\"siem\"} 1",
            "tapwire_stats{counter=\"flow.memuse\"} 8",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("why=\"exception_policy"), "{text}");
    }
}
