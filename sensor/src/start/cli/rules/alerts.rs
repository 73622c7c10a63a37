//! Captures to the alerts that rules raise on them.
//!
//! A run writes its records into a folder of its own that goes away again; what the configuration says about outputs does not
//! count, and nothing that rules keep from run to run is changed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::id::RuleId;
use crate::records::eve::EveOutput;
use crate::run::{self, Active, Plan, Summary};
use crate::start::config::Configuration;
use crate::start::engine::Prepared;

/// An alert of a run, as its record shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Alert {
    /// Number of its packet, from 1; none where it came at the end of a flow.
    #[serde(rename = "pcap_cnt")]
    pub(super) packet: Option<u64>,
    pub(super) timestamp: String,
    #[serde(rename = "src_ip", default)]
    source: String,
    #[serde(rename = "src_port")]
    source_port: Option<u16>,
    #[serde(rename = "dest_ip", default)]
    destination: String,
    #[serde(rename = "dest_port")]
    destination_port: Option<u16>,
    #[serde(rename = "proto", default)]
    protocol: String,
    #[serde(rename = "tenant_id", default)]
    tenant: u32,
    #[serde(rename = "alert")]
    rule: AlertRule,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct AlertRule {
    gid: u32,
    signature_id: u32,
    signature: String,
}

impl Alert {
    /// Its rule.
    pub(super) fn id(&self) -> RuleId {
        RuleId { tenant: self.tenant, gid: self.rule.gid, sid: self.rule.signature_id }
    }

    /// What it says.
    pub(super) fn message(&self) -> &str {
        &self.rule.signature
    }

    /// Whose it is: addresses, ports and protocol.
    pub(super) fn flow(&self) -> String {
        let side = |address: &str, port: Option<u16>| match port {
            Some(port) if address.contains(':') => format!("[{address}]:{port}"),
            Some(port) => format!("{address}:{port}"),
            None => address.to_owned(),
        };
        let (from, to) = (side(&self.source, self.source_port), side(&self.destination, self.destination_port));
        format!("{from} -> {to} {}", self.protocol)
    }
}

/// What a run gave.
pub(super) struct Raised {
    /// The alerts, in order of the records.
    pub(super) alerts: Vec<Alert>,
    /// What went wrong; there may be alerts all the same.
    pub(super) errors: Vec<String>,
    /// The run itself; none where it could not begin.
    pub(super) summary: Option<Summary>,
}

/// Reads captures as one run with one worker, so that runs can stand beside each other.
pub(super) fn raised(prepared: &Prepared, captures: &[PathBuf]) -> Raised {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Raised::failed(format!("no temporary folder can be made: {error}; is TMPDIR right?")),
    };
    let configuration = only_alerts(&prepared.configuration);
    let plan = Plan {
        settings: &configuration.settings(),
        active: Active::new(Arc::clone(&prepared.engine)),
        folder: folder.path(),
        data_dir: folder.path(),
        workers: 1,
        checksums: configuration.checksums,
        progress: None,
        stop: None,
        reopen: None,
        costly: None,
        sandbox: None,
        window: run::window::Window::new(1),
        warn: None,
    };
    let summary = run::replay(&plan, captures);
    let errors = summary.errors.iter().map(ToString::to_string).collect();
    let mut raised = Raised { alerts: Vec::new(), errors, summary: None };
    if summary.panics > 0 {
        raised.errors.push(format!("{} packets made a worker panic: please report them", summary.panics));
    }
    let scripts = summary.script_failures.iter();
    raised.errors.extend(scripts.map(|failure| format!("the script of a rule failed: {failure}")));
    let path = folder.path().join(FILE);
    let read = File::open(&path).map_err(|error| error.to_string()).and_then(|file| {
        BufReader::new(file).lines().try_for_each(|line| {
            let line = line.map_err(|error| error.to_string())?;
            raised.alerts.push(serde_json::from_str(&line).map_err(|error| format!("{error} in {line}"))?);
            Ok(())
        })
    });
    if let Err(error) = read {
        raised.errors.push(format!("{}: the alerts cannot be read: {error}", path.display()));
    }
    raised.summary = Some(summary);
    raised
}

impl Raised {
    fn failed(error: String) -> Self {
        Self { alerts: Vec::new(), errors: vec![error], summary: None }
    }
}

const FILE: &str = "eve.json";

/// A configuration whose only output is alerts with nothing in them that is not needed.
fn only_alerts(configuration: &Configuration) -> Configuration {
    let mut own = configuration.clone();
    (own.fast, own.stats) = (None, None);
    own.output_scripts = Vec::new();
    (own.file_store, own.certificate_store) = (None, None);
    own.pcap_logs.clear();
    own.recording.enabled = false;
    (own.tcp_data, own.http_body_data) = (None, None);
    own.eve = Configuration::default().eve;
    own.eve.truncate(1);
    for eve in &mut own.eve {
        let alerts = eve.alerts.take().map(|mut alerts| {
            (alerts.app_layer, alerts.flow, alerts.rule_metadata) = (false, false, false);
            alerts
        });
        *eve = EveOutput {
            filename: FILE.into(),
            zstd: false,
            append: None,
            community_id_seed: None,
            alerts,
            anomalies: None,
            flows: false,
            netflows: false,
            frames: false,
            stats: None,
            files: None,
            protocols: Default::default(),
            ..eve.clone()
        };
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_read_from_its_record() {
        let text = r#"{"timestamp":"t","pcap_cnt":7,"src_ip":"2001:db8::1","src_port":1,"tenant_id":4,"dest_ip":"192.0.2.80","proto":"TCP",
            "alert":{"action":"allowed","gid":1,"signature_id":5,"rev":1,"signature":"a message"},"more":[1]}"#;
        let alert: Alert = serde_json::from_str(text).unwrap();
        let id = RuleId { tenant: 4, gid: 1, sid: 5 };
        assert_eq!((alert.id(), alert.message(), alert.packet), (id, "a message", Some(7)));
        assert_eq!(alert.flow(), "[2001:db8::1]:1 -> 192.0.2.80 TCP");
    }
}
