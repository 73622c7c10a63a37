//! What a rule asks beside its buffers, condition by condition, with what is there instead.
//!
//! The verifier decides the same in its own order and stops at the first that fails; the tests hold both against each other.

use std::net::IpAddr;

use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::Anomaly;

use super::{Condition, Mark};
use crate::plan::{Plan, hook_progress};
use crate::rule::condition::{PacketView, TransactionView, Verdict};
use crate::rule::{Arrow, BitOperation, Endpoint, FlowCondition, Flowbits, IntOperation, Rule, RuleProtocol};
use crate::state::flow::FlowState;
use crate::verify::header;
#[cfg(test)]
use crate::verify::memory;
use crate::verify::packet::app_protocol_holds;
use crate::verify::transaction::weaker;

/// What a header and `flow` ask of a packet.
pub(super) fn of_header(rule: &Rule, view: &PacketView<'_>) -> Vec<Condition> {
    let mut all = vec![Condition::new(
        format!("protocol {}", rule.protocol.name()),
        header::protocol_holds(rule.protocol, view),
        || protocol_there(rule.protocol, view),
    )];
    endpoints(rule, view.packet, &mut all);
    flow(&rule.flow, view, &mut all);
    all
}

/// What a rule asks of a packet and its flow beside that.
pub(super) fn of_packet(plan: &Plan, rule: &Rule, view: &PacketView<'_>, state: &FlowState) -> Vec<Condition> {
    let mut all = Vec::new();
    for (position, condition) in rule.packet.iter().enumerate() {
        all.push(Condition::new(label(rule, |l| &l.packet, position), condition.holds(view), String::new));
    }
    for (position, test) in rule.app_protocol.iter().enumerate() {
        let text = label(rule, |l| &l.app_protocol, position);
        all.push(Condition::new(text, app_protocol_holds(test, view), || recognised(view)));
    }
    of_memory(plan, rule, state, &mut all);
    all
}

/// What a rule asks of what went wrong, and what of that there is.
pub(super) fn of_events<'a>(rule: &Rule, raised: impl Iterator<Item = &'a Anomaly> + Clone) -> Vec<Condition> {
    let conditions = rule.events.iter().enumerate().map(|(position, event)| {
        let held = raised.clone().any(|anomaly| anomaly.0 == event);
        Condition::new(label(rule, |l| &l.events, position), held, || {
            let others: Vec<&str> = raised.clone().map(|anomaly| anomaly.0).collect();
            if others.is_empty() { "no event was raised".into() } else { format!("events: {}", others.join(", ")) }
        })
    });
    conditions.collect()
}

/// What a rule asks of what is remembered of a flow; what only changes it is left out.
fn of_memory(plan: &Plan, rule: &Rule, state: &FlowState, all: &mut Vec<Condition>) {
    for (position, bits) in rule.flowbits.iter().enumerate() {
        if matches!(bits.operation, BitOperation::IsSet | BitOperation::IsNotSet) {
            let text = label(rule, |l| &l.flowbits, position);
            all.push(Condition::new(text, state.allows_bits(bits), || bit_there(plan, bits)));
        }
    }
    for (position, int) in rule.flowints.iter().enumerate() {
        if matches!(int.operation, IntOperation::Test(..) | IntOperation::IsSet | IntOperation::IsNotSet) {
            let there = || state.int(int.name).map_or("not set in this flow".into(), |value| format!("it is {value}"));
            let text = label(rule, |l| &l.flowints, position);
            all.push(Condition::new(text, state.allows_int(int), there));
        }
    }
    for (position, test) in rule.variable_tests.iter().enumerate() {
        let text = label(rule, |l| &l.variable_tests, position);
        let there = || "the variable is not set, or does not have what is asked for".into();
        all.push(Condition::new(text, state.allows_variable(test), there));
    }
}

/// What a rule asks of a transaction beside its buffers and files.
pub(super) fn of_transaction(rule: &Rule, subject: &TransactionView<'_>) -> Vec<Condition> {
    let known = protocol(subject.protocol);
    let progress = subject.transaction.progress(subject.direction);
    let state = || known.states.of(subject.direction).get(usize::from(progress)).copied().unwrap_or("begun");
    let mut all = Vec::new();
    if let Some(hook) = &rule.hook {
        let text = format!("{}:{hook}", rule.protocol.name());
        all.push(match hook_progress(known, subject.direction, hook) {
            Some(from) if progress < from => Condition::open(text, format!("the transaction is at {}", state())),
            from => Condition::new(text, from.is_some(), || "the direction has no such state".into()),
        });
    }
    for (position, condition) in rule.transaction.iter().enumerate() {
        let text = label(rule, |l| &l.transaction, position);
        all.push(match *condition.from().of(subject.direction) {
            Some(from) if progress < from => Condition::open(text, format!("the transaction is at {}", state())),
            from => {
                let held = from.is_some() && condition.holds(subject.transaction, subject.direction);
                Condition::new(text, held, String::new)
            }
        });
    }
    all.extend(of_events(rule, subject.transaction.anomalies().iter().chain(subject.flow_anomalies)));
    all
}

/// What a rule asks of files.
pub(super) fn of_files(rule: &Rule, subject: &TransactionView<'_>) -> Vec<Condition> {
    let of_file = |file| rule.file.iter().map(|condition| condition.holds(file)).fold(Verdict::Yes, weaker);
    // The file that all hold for, else the first one.
    let file = subject.files.iter().find(|file| of_file(file) == Verdict::Yes).or(subject.files.first());
    let conditions = rule.file.iter().enumerate().map(|(position, condition)| {
        let text = label(rule, |l| &l.file, position);
        match file.map(|file| (file, condition.holds(file))) {
            None => Condition::open(text, "no file was seen".into()),
            Some((file, Verdict::NotYet)) => Condition::open(text, format!("{} bytes so far", file.size)),
            Some((file, verdict)) => {
                let there = || format!("a file of {} bytes", file.size);
                Condition::new(text, verdict == Verdict::Yes, there)
            }
        }
    });
    let mut all: Vec<Condition> = conditions.collect();
    if rule.filestore.is_some() && rule.file.is_empty() && subject.files.is_empty() {
        all.push(Condition::open("filestore".into(), "no file was seen".into()));
    }
    all
}

/// The text of a condition, where the rule was read with labels.
pub(super) fn label(rule: &Rule, of: impl Fn(&crate::rule::labels::Labels) -> &Vec<String>, position: usize) -> String {
    let labels = rule.labels.as_deref();
    labels.and_then(|labels| of(labels).get(position).cloned()).unwrap_or_else(|| format!("condition {}", position + 1))
}

fn protocol_there(wanted: RuleProtocol, view: &PacketView<'_>) -> String {
    match (wanted, view.flow, view.packet.ip) {
        (RuleProtocol::Application(_), Some(_), _) => recognised(view),
        (RuleProtocol::Application(_), None, _) => "the packet has no flow".into(),
        (_, _, Some(ip)) => match ip.protocol {
            1 => "ICMP".into(),
            6 => "TCP".into(),
            17 => "UDP".into(),
            58 => "ICMPv6".into(),
            other => format!("IP protocol {other}"),
        },
        (_, _, None) => "no IP".into(),
    }
}

fn recognised(view: &PacketView<'_>) -> String {
    match view.flow {
        Some(flow) => match flow.protocol {
            Some(id) => format!("the flow is {}", protocol(id).name),
            None if flow.protocol_failed => "the flow is no protocol that is known".into(),
            None => "the flow's protocol is not recognised yet".into(),
        },
        None => "the packet has no flow".into(),
    }
}

/// The two sides as they stand, or turned where the rule means both ways and that fits better.
fn endpoints(rule: &Rule, packet: &Packet<'_>, all: &mut Vec<Condition>) {
    let Some(ip) = packet.ip else {
        let any = |endpoint: &Endpoint| endpoint.addresses.is_any() && endpoint.ports.is_any();
        let held = any(&rule.source) && any(&rule.destination);
        all.push(Condition::new("addresses".into(), held, || "the packet has no addresses".into()));
        return;
    };
    let (from, to) = ((ip.source, packet.ports().0), (ip.destination, packet.ports().1));
    let both = |from, to| {
        let mut sides = Vec::new();
        side(rule, ("source", 2), &rule.source, from, &mut sides);
        side(rule, ("destination", 5), &rule.destination, to, &mut sides);
        sides
    };
    let held = |sides: &[Condition]| sides.iter().filter(|condition| condition.mark == Mark::Held).count();
    let straight = both(from, to);
    let turned = (rule.arrow == Arrow::BothWays).then(|| both(to, from));
    all.extend(turned.filter(|turned| held(turned) > held(&straight)).unwrap_or(straight));
}

/// One side of the header, whose words begin at a position; what may be anything is left out.
fn side(
    rule: &Rule,
    (name, at): (&str, usize),
    endpoint: &Endpoint,
    (address, port): (IpAddr, u16),
    all: &mut Vec<Condition>,
) {
    let word = |position: usize| {
        let labels = rule.labels.as_deref();
        labels.and_then(|labels| labels.header.get(position).cloned()).unwrap_or_default()
    };
    if !endpoint.addresses.is_any() {
        let text = format!("{name} address {}", word(at));
        all.push(Condition::new(text, endpoint.addresses.contains(address), || format!("it is {address}")));
    }
    if !endpoint.ports.is_any() {
        let text = format!("{name} port {}", word(at + 1));
        all.push(Condition::new(text, endpoint.ports.contains(port), || format!("it is {port}")));
    }
}

fn flow(wanted: &FlowCondition, view: &PacketView<'_>, all: &mut Vec<Condition>) {
    if !wanted.present && wanted.direction.is_none() {
        return;
    }
    if let Some(only) = wanted.fragments {
        let text = if only { "flow only_frag" } else { "flow no_frag" };
        let held = only == (view.packet.joined > 0);
        all.push(Condition::new(text.into(), held, || {
            if only { "the packet came whole" } else { "the packet came in pieces" }.into()
        }));
    }
    let no_flow = || "the packet has no flow".to_owned();
    if wanted.only_stream {
        all.push(Condition::new("flow only_stream".into(), view.flow.is_some(), no_flow));
    }
    if let Some(direction) = wanted.direction {
        let there = view.flow.map(|flow| flow.direction);
        let shown = || there.map_or_else(no_flow, |direction| format!("the packet is {}", direction.name()));
        all.push(Condition::new(format!("flow {}", direction.name()), there == Some(direction), shown));
    }
    if let Some(established) = wanted.established {
        let there = view.flow.map(|flow| flow.established);
        let text = if established { "flow established" } else { "flow not_established" };
        let held = there.unwrap_or(false) == established;
        all.push(Condition::new(text.into(), held, || match there {
            None => no_flow(),
            Some(true) => "the flow is established".into(),
            Some(false) => "the flow is not established: no whole handshake, or packets of one side only".into(),
        }));
    }
}

/// Why a bit is not as it must be, and who could change that.
fn bit_there(plan: &Plan, bits: &Flowbits) -> String {
    const NAMED: usize = 8;
    let set = bits.operation == BitOperation::IsNotSet;
    let changes = |operation: BitOperation| match operation {
        BitOperation::Set => !set,
        BitOperation::Unset => set,
        BitOperation::Toggle => true,
        BitOperation::IsSet | BitOperation::IsNotSet => false,
    };
    let does = |rule: &&Rule| {
        rule.flowbits.iter().any(|b| changes(b.operation) && b.bits.iter().any(|bit| bits.bits.contains(bit)))
    };
    let rules = plan.entries().filter_map(|entry| entry.rule());
    let mut sids: Vec<u32> = rules.filter(does).map(|rule| rule.sid).collect();
    sids.sort_unstable();
    sids.dedup();
    let more = sids.len().saturating_sub(NAMED);
    sids.truncate(NAMED);
    let named: Vec<String> = sids.iter().map(ToString::to_string).collect();
    let (state, verb) = if set { ("it is set in this flow", "unset") } else { ("not set in this flow", "set") };
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if named.is_empty() {
        format!("{state}; no rule that is loaded would {verb} it")
    } else {
        format!("{state}; rules that {verb} it: {}{more}", named.join(", "))
    }
}

/// Whether the conditions say the same as the verifier: that of packets.
#[cfg(test)]
pub(super) fn agree(plan: &Plan, rule: &Rule, view: &PacketView<'_>, state: &FlowState) -> bool {
    let held = |all: &[Condition]| all.iter().all(|condition| condition.mark == Mark::Held);
    let verified = rule.packet.iter().all(|c| c.holds(view))
        && rule.app_protocol.iter().all(|test| app_protocol_holds(test, view))
        && memory::holds(rule, state);
    held(&of_header(rule, view)) == header::holds(rule, view) && held(&of_packet(plan, rule, view, state)) == verified
}
