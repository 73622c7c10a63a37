//! The explanation for tools.

use tapwire_parsers::json::Object;
use tapwire_signatures::verify::Ground;
use tapwire_signatures::verify::explain::{Condition, Funnel, Look, Mark, Outcome};

use super::Explanation;
use crate::records::header::{Clock, protocol_name};

/// The rule and what came of it in the first line, then a line for each look.
pub(super) fn lines(explanation: &Explanation<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    summary(&mut Object::new(&mut out), explanation);
    out.push(b'\n');
    let mut clock = Clock::default();
    for look in &explanation.looks {
        self::look(&mut Object::new(&mut out), look, &mut clock);
        out.push(b'\n');
    }
    out
}

fn summary(object: &mut Object<'_>, explanation: &Explanation<'_>) {
    let Explanation { rule, watch, looks, estimate, .. } = explanation;
    explanation.id.write(object);
    object.number("rev", rule.rev).text("msg", &rule.message);
    object.text("place", &explanation.place).text("kind", explanation.kind.name());
    object.text("found_by", estimate.found.name()).text("conclusion", explanation.conclusion());
    for (name, funnel) in
        [("packets", &watch.packets), ("chunks", &watch.chunks), ("transactions", &watch.transactions)]
    {
        object.object(name, |o| stages(o, funnel));
    }
    object.number("uninspected_packets", watch.uninspected);
    object.number("looks", watch.made).number("shown", looks.len()).number("matches", watch.matched);
    object.array("without_alert", |array| {
        for (why, count) in explanation.fates() {
            array.object(|o| {
                o.text("why", why).number("matches", count);
            });
        }
    });
    object.number("alerts", explanation.alerts);
}

fn stages(object: &mut Object<'_>, funnel: &Funnel) {
    object.number("seen", funnel.seen);
    object.array("conditions", |array| {
        for stage in &funnel.stages {
            array.object(|o| {
                o.text("condition", &stage.text).number("held", stage.held).number("failed", stage.failed);
                o.object("instead", |o| {
                    for (what, count) in &stage.instead {
                        o.named(what).number(*count);
                    }
                });
            });
        }
    });
}

fn look(object: &mut Object<'_>, look: &Look, clock: &mut Clock) {
    if look.packet > 0 {
        object.number("pcap_cnt", look.packet);
    }
    object.text("timestamp", clock.timestamp(look.time));
    if let Some(flow) = look.flow {
        object.number("flow_id", flow);
    }
    for (address, port, end) in [("src_ip", "src_port", look.source), ("dest_ip", "dest_port", look.destination)] {
        if let Some((ip, number)) = end {
            object.address(address, ip).number(port, number);
        }
    }
    object.text("proto", protocol_name(look.protocol).as_bytes()).text("direction", look.direction.name());
    match look.ground {
        Ground::Packet => object.text("kind", "packet"),
        Ground::Stream => object.text("kind", "stream"),
        Ground::Frame(id) => object.text("kind", "frame").number("frame_id", id),
        Ground::Transaction(id) => object.text("kind", "transaction").number("tx_id", id),
    };
    let outcome = match look.outcome {
        Outcome::Matched => "matched",
        Outcome::Open => "open",
        Outcome::Failed => "failed",
    };
    object.text("outcome", outcome).array("conditions", |array| {
        for condition in &look.conditions {
            array.object(|o| self::condition(o, condition));
        }
    });
}

fn condition(object: &mut Object<'_>, condition: &Condition) {
    let mark = match condition.mark {
        Mark::Held => "held",
        Mark::Failed => "failed",
        Mark::Open => "open",
        Mark::NotLooked => "not_looked_at",
    };
    object.text("condition", &condition.text).text("mark", mark);
    if !condition.note.is_empty() {
        object.text("note", &condition.note);
    }
    if let Some(bytes) = &condition.bytes {
        object.text("buffer", bytes.buffer);
        if bytes.instance > 0 {
            object.number("instance", bytes.instance);
        }
        if bytes.transformed {
            object.boolean("transformed", true);
        }
        if let Some(size) = bytes.size {
            object.number("size", size);
        }
        object.number("offset", bytes.offset).number("length", bytes.length).text("excerpt", &bytes.excerpt);
    }
}
