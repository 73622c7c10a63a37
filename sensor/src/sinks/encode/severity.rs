//! How bad a record is, in the words of each system: one table for all encodings.

use super::tape::Value;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severity {
    /// What it is called.
    pub name: &'static str,
    /// Which records it is for.
    pub of: &'static str,
    /// CEF, from 0 to 10.
    pub cef: u8,
    /// LEEF's `sev`, from 1 to 10.
    pub leef: u8,
    /// OCSF's `severity_id`.
    pub ocsf: u8,
    /// The same in words.
    pub ocsf_name: &'static str,
    /// Splunk's common information model.
    pub cim: &'static str,
    /// Microsoft's ASIM.
    pub asim: &'static str,
    /// Severity of syslog, also GELF's `level`.
    pub syslog: u8,
}

/// From the worst down.
pub const SEVERITIES: [Severity; 5] = [
    Severity {
        name: "critical",
        of: "alerts of severity 1 whose rule says `signature_severity Critical`",
        cef: 10,
        leef: 10,
        ocsf: 5,
        ocsf_name: "Critical",
        cim: "critical",
        asim: "High",
        syslog: 2,
    },
    Severity {
        name: "high",
        of: "alerts of severity 1",
        cef: 8,
        leef: 8,
        ocsf: 4,
        ocsf_name: "High",
        cim: "high",
        asim: "High",
        syslog: 3,
    },
    Severity {
        name: "medium",
        of: "alerts of severity 2",
        cef: 5,
        leef: 5,
        ocsf: 3,
        ocsf_name: "Medium",
        cim: "medium",
        asim: "Medium",
        syslog: 4,
    },
    Severity {
        name: "low",
        of: "alerts of severity 3",
        cef: 3,
        leef: 3,
        ocsf: 2,
        ocsf_name: "Low",
        cim: "low",
        asim: "Low",
        syslog: 5,
    },
    Severity {
        name: "informational",
        of: "alerts of severity 4 and above, and every other record",
        cef: 1,
        leef: 1,
        ocsf: 1,
        ocsf_name: "Informational",
        cim: "informational",
        asim: "Informational",
        syslog: 6,
    },
];

/// The row of an alert, by its `alert` object; without one, that of other records.
pub(super) fn of_alert(alert: Option<Value<'_>>) -> &'static Severity {
    let [critical, high, medium, low, informational] = &SEVERITIES;
    let Some(alert) = alert else { return informational };
    match alert.get("severity").and_then(Value::number) {
        Some(1) => {
            let said = alert.at("metadata.signature_severity");
            let is_critical =
                said.is_some_and(|said| said.items().any(|word| word.text().eq_ignore_ascii_case("critical")));
            if is_critical { critical } else { high }
        }
        Some(2) => medium,
        Some(3) => low,
        _ => informational,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tape::Tape;
    use super::*;

    #[test]
    fn alerts_count_down_and_a_rule_can_say_that_it_is_critical() {
        for (alert, name) in [
            (r#"{"severity":1,"metadata":{"signature_severity":["Major","CRITICAL"]}}"#, "critical"),
            (r#"{"severity":1,"metadata":{"signature_severity":["Major"]}}"#, "high"),
            (r#"{"severity":2,"metadata":{"signature_severity":["Critical"]}}"#, "medium"),
            (r#"{"severity":3}"#, "low"),
            (r#"{"severity":4}"#, "informational"),
            (r#"{"severity":255}"#, "informational"),
            (r#"{}"#, "informational"),
        ] {
            let mut tape = Tape::default();
            assert_eq!(of_alert(Some(tape.read(alert.as_bytes()).unwrap().root())).name, name, "{alert}");
        }
        assert_eq!(of_alert(None).name, "informational");
    }
}
