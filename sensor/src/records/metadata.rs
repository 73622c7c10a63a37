//! `metadata`: what rules remember of a flow, in each of its records.

use tapwire_parsers::json::Object;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::state::flow::FlowState;

/// Flowbits whose name begins so say what kind of traffic a flow is.
const TRAFFIC_ID: &str = "traffic/id/";
const TRAFFIC_LABEL: &str = "traffic/label/";

/// What rules remember of a flow, with the names that they use.
#[derive(Clone, Copy)]
pub struct Metadata<'a> {
    /// The rules.
    pub plan: &'a Plan,
    /// What they remember.
    pub state: &'a FlowState,
}

impl Metadata<'_> {
    /// Writes the object, and `traffic` where rules name the flow's kind.
    pub fn write(&self, object: &mut Object<'_>) {
        let [flowbits, flowints, _] = &self.plan.names;
        let bits: Vec<&str> =
            self.state.bits().filter_map(|bit| flowbits.get(usize::from(bit)).map(String::as_str)).collect();
        let ids: Vec<&str> = bits.iter().filter_map(|bit| bit.strip_prefix(TRAFFIC_ID)).collect();
        let labels: Vec<&str> = bits.iter().filter_map(|bit| bit.strip_prefix(TRAFFIC_LABEL)).collect();
        let plain: Vec<&str> = bits.iter().copied().filter(|bit| !bit.starts_with("traffic/")).collect();
        if !ids.is_empty() || !labels.is_empty() {
            object.object("traffic", |o| {
                list(o, "id", &ids);
                list(o, "label", &labels);
            });
        }
        let notes = self.state.notes();
        let shown = !plain.is_empty()
            || !self.state.ints().is_empty()
            || notes
                .is_some_and(|n| !n.variables.is_empty() || !n.packet_variables.is_empty() || !n.entropies.is_empty());
        if !shown {
            return;
        }
        object.object("metadata", |o| {
            list(o, "flowbits", &plain);
            if !self.state.ints().is_empty() {
                o.object("flowints", |ints| {
                    for &(name, value) in self.state.ints() {
                        if let Some(name) = flowints.get(usize::from(name)) {
                            ints.named(name).number(value);
                        }
                    }
                });
            }
            let Some(notes) = notes else { return };
            for (name, variables) in [("flowvars", &notes.variables), ("pktvars", &notes.packet_variables)] {
                if !variables.is_empty() {
                    o.array(name, |array| {
                        for (name, value) in variables {
                            array.object(|one| {
                                one.named(name).text(&**value);
                            });
                        }
                    });
                }
            }
            if !notes.entropies.is_empty() {
                o.object("entropy", |entropies| {
                    for &(buffer, value) in &notes.entropies {
                        entropies.named(&buffer.replace('.', "_")).float(value);
                    }
                });
            }
        });
    }
}

fn list(object: &mut Object<'_>, name: &'static str, values: &[&str]) {
    if !values.is_empty() {
        object.array(name, |array| {
            for value in values {
                array.text(value);
            }
        });
    }
}
