//! What each output delivers, and how long that takes.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::sinks::deliver::report::Report;
use crate::sinks::deliver::times::{STEPS_MS, Times};

/// A histogram of each: its name, what it says, where it is.
type Histogram = (&'static str, &'static str, fn(&Report) -> &Times);

const HISTOGRAMS: [Histogram; 2] = [
    ("output_acknowledgement", "From the writing of a record to its receiver's word for it", |report| {
        &report.acknowledgement_times
    }),
    ("output_request", "From a request to its answer", |report| &report.request_times),
];

/// Writes the metrics of all outputs.
pub(super) fn encode(reports: &[Report], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Records of an output by what became of them";
    let mut metric = encoder.encode_descriptor("output_records", help, None, MetricType::Counter)?;
    for report in reports {
        for (fate, count) in [
            ("delivered", report.delivered),
            ("left_out", report.left_out),
            ("cut", report.cut),
            ("refused", report.refused),
            ("missed", report.missed),
        ] {
            let labels = [("output", report.name.as_str()), ("fate", fate)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "How often an output sent something again";
    let mut metric = encoder.encode_descriptor("output_retries", help, None, MetricType::Counter)?;
    for report in reports {
        ConstCounter::new(report.retries).encode(metric.encode_family(&label(report))?)?;
    }
    let help = "Whether an output cannot deliver at the moment";
    let mut metric = encoder.encode_descriptor("output_away", help, None, MetricType::Gauge)?;
    for report in reports {
        ConstGauge::new(i64::from(report.away_since_us > 0)).encode(metric.encode_family(&label(report))?)?;
    }
    for (name, help, of) in HISTOGRAMS {
        let unit = Some(Unit::Seconds);
        let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?;
        for report in reports {
            let times = of(report);
            let bounds = STEPS_MS.iter().map(|ms| seconds(*ms)).chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = bounds.zip(times.counts).collect();
            let labels = label(report);
            let mut metric = metric.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(seconds(times.sum_ms), times.total(), &buckets, None)?;
        }
    }
    Ok(())
}

fn label(report: &Report) -> [(&'static str, &str); 1] {
    [("output", &report.name)]
}

#[expect(clippy::cast_precision_loss, reason = "times are no exact numbers")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}
