//! Exception policies: what is done with a flow that cannot be inspected as it should be.
//!
//! A sensor that only listens cannot drop: those policies are refused where they are asked for by name, and left out where
//! the master switch asks for them.

use super::Problem;
use super::node::Node;
use crate::flow::exceptions::{ExceptionPolicies, ExceptionPolicy};

impl ExceptionPolicies {
    /// Reads the master switch `exception-policy` and what is said of each case.
    pub(super) fn read(root: &Node, faults: &mut Vec<Problem>) -> Self {
        let master = match root.at("exception-policy") {
            Some(node) => match node.text() {
                Some("bypass") => ExceptionPolicy::Bypass,
                Some("pass-flow") => ExceptionPolicy::PassFlow,
                Some("auto" | "ignore" | "drop-flow" | "drop-packet" | "pass-packet" | "reject" | "no" | "yes")
                | None => ExceptionPolicy::Ignore,
                Some(other) => {
                    faults.push(node.problem(format!("`{other}` is no exception policy"), CHOICES));
                    ExceptionPolicy::Ignore
                }
            },
            None => ExceptionPolicy::Ignore,
        };
        let midstream_on = root.at("stream.midstream").and_then(Node::switch) == Some(true);
        Self {
            midstream: one(root, "stream.midstream-policy", master, midstream_on, faults),
            reassembly: one(root, "stream.reassembly.memcap-policy", master, false, faults),
            application: one(root, "app-layer.error-policy", master, false, faults),
        }
    }
}

fn one(root: &Node, key: &str, master: ExceptionPolicy, followed: bool, faults: &mut Vec<Problem>) -> ExceptionPolicy {
    let Some((node, text)) = root.at(key).and_then(|node| Some((node, node.text()?))) else { return master };
    match text {
        "auto" | "ignore" | "no" => ExceptionPolicy::Ignore,
        "pass-flow" => ExceptionPolicy::PassFlow,
        "bypass" if followed => {
            let hint = "what is followed cannot be passed over: ignore, pass-flow, or stream.midstream: no";
            faults.push(node.problem(format!("{key}: bypass contradicts stream.midstream: yes"), hint));
            ExceptionPolicy::Ignore
        }
        "bypass" => ExceptionPolicy::Bypass,
        // A sensor that only listens has nobody to send a reset for.
        "reject" if !followed => ExceptionPolicy::Ignore,
        "drop-flow" | "drop-packet" | "pass-packet" | "reject" => {
            faults
                .push(node.problem(format!("{key}: {text} needs a sensor that stands in the way of packets"), CHOICES));
            ExceptionPolicy::Ignore
        }
        _ => {
            faults.push(node.problem(format!("`{text}` is no exception policy for {key}"), CHOICES));
            ExceptionPolicy::Ignore
        }
    }
}

const CHOICES: &str = "ignore, pass-flow or bypass";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_of_sensors_that_stand_in_the_way_are_refused() {
        for (text, expected, wrong) in [
            ("stream: {midstream-policy: bypass}", ExceptionPolicy::Bypass, 0),
            ("stream: {midstream: yes, midstream-policy: bypass}", ExceptionPolicy::Ignore, 1),
            ("stream: {midstream: yes, midstream-policy: pass-flow}", ExceptionPolicy::PassFlow, 0),
            ("stream: {midstream-policy: reject}", ExceptionPolicy::Ignore, 0),
            ("stream: {midstream: yes, midstream-policy: reject}", ExceptionPolicy::Ignore, 1),
            ("stream: {midstream-policy: drop-packet}", ExceptionPolicy::Ignore, 1),
            ("stream: {midstream-policy: perhaps}", ExceptionPolicy::Ignore, 1),
            ("{exception-policy: bypass, stream: {midstream: yes}}", ExceptionPolicy::Bypass, 0),
            ("{exception-policy: drop-flow}", ExceptionPolicy::Ignore, 0),
            ("{exception-policy: bypass, stream: {midstream-policy: ignore}}", ExceptionPolicy::Ignore, 0),
        ] {
            let mut faults = Vec::new();
            let read = ExceptionPolicies::read(&Node::parse(text), &mut faults);
            assert_eq!((read.midstream, faults.len()), (expected, wrong), "{text}");
        }
    }
}
