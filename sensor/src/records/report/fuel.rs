//! Rules that ran out of fuel: a record for each on a flow says which was not decided there.

use std::sync::Arc;

use tapwire_parsers::json::Object;
use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol::{AnomalyKind, Direction};
use tapwire_signatures::plan::RuleIndex;

use super::outputs::{Output, Outputs};
use super::{Ends, Moment, Reporter, flow_header, packet_header};
use crate::flow::Flow;
use crate::inspect::Application;
use crate::records::cause::{Charge, Name};
use crate::records::class::Class;
use crate::records::finding::Record;
use crate::records::header::{Header, record};

/// The anomaly, which no rule can ask for.
pub(crate) const OUT_OF_FUEL: AnomalyKind = AnomalyKind {
    name: "",
    record_name: EVENT,
    doc: "A rule ran out of fuel and was not decided on this flow; the object `tapwire` of the record names it. The first 8 such rules of a flow have a record.",
};

const EVENT: &str = "RULE_OUT_OF_FUEL";

impl Reporter {
    /// Rules that ran out of fuel on a packet without a flow.
    pub fn dry_rules_alone(&mut self, dry: &[RuleIndex], packet: &Packet<'_>, moment: &Moment) {
        let ends = Ends::of_packet(packet);
        let outputs = Arc::clone(&self.outputs);
        for (index, output) in wanting(&outputs) {
            let mut header = packet_header("anomaly", ends.as_ref(), packet, (output, &outputs), moment);
            self.dry_rules_in(index, &outputs, &mut header, dry, moment);
        }
    }

    /// Rules that ran out of fuel on a flow for the first time.
    pub fn dry_rules(&mut self, dry: &[RuleIndex], flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        let outputs = Arc::clone(&self.outputs);
        for (index, output) in wanting(&outputs) {
            let ends = Ends::of(&flow.key, direction);
            let mut header = flow_header(ends.header("anomaly", moment), flow, output, &outputs, moment);
            self.dry_rules_in(index, &outputs, &mut header, dry, moment);
        }
    }

    fn dry_rules_in(
        &mut self,
        index: u16,
        outputs: &Outputs,
        header: &mut Header<'_>,
        dry: &[RuleIndex],
        moment: &Moment,
    ) {
        for rule in dry.iter().filter_map(|rule| outputs.engine.plan.rule(*rule)) {
            let cause = self.cause(index, header, "anomaly", Charge::default(), moment);
            let cause = cause.map(|cause| cause.named(Name::Anomaly(EVENT)));
            let clock = &mut self.clock;
            let finding = Record { output: index, class: Class::Anomaly, gate: None, cause };
            self.batch.push(moment.place(header.flow_id), finding, |out, _| {
                let own = |o: &mut Object<'_>| {
                    o.number("gid", rule.gid).number("signature_id", rule.sid).text("signature", &rule.message);
                };
                let header = Header { own: if outputs.own { Some(&own) } else { None }, ..*header };
                record(out, &header, clock, |object| {
                    object.object("anomaly", |a| {
                        a.text("type", "detect").text("event", EVENT);
                    });
                });
            });
        }
    }
}

/// The outputs that have anomalies, with their places.
fn wanting(outputs: &Outputs) -> impl Iterator<Item = (u16, &Output)> {
    (0..).zip(&*outputs.list).filter(|(_, output)| output.eve.anomalies.is_some())
}
