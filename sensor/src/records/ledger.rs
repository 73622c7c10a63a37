//! The books of what is written: in a flood, records have no more bytes than the packets that caused them.
//!
//! Three limits stand one in another, each of bytes of records against bytes of traffic: those of a network, which may have so
//! many records a second in any case; those of an event type, apart for what was answered and what was not, as anybody can
//! forge the latter; and all of an output. A record beyond one of them is counted in a summary. What is decided here is decided
//! where the records of all workers stand in one order, so that it is the same for any number of workers.
//!
//! The first records of an event type and networks with few records have a part of the budget that others cannot use, and the
//! first alerts of a rule between two hosts are written in any case.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::quality::RandomState;
use ipnet::IpNet;
use tapwire_parsers::link::Timestamp;

use super::budget::{Budget, Terms};
use super::cause::{Cause, Name};
use super::counted::Counted;
use super::header::Clock;
use super::history::History;
use super::summary::{End, Place, Summaries};

/// When records are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// `tapwire.record-summary.enabled`
    pub enabled: bool,
    /// `tapwire.record-summary.interval`: seconds that a summary stands for.
    pub interval_s: u64,
    /// `tapwire.record-summary.rate`: records of an event type a second that a network may cause in any case; of flows of one
    /// packet, that it may begin or be sent, and no more of them. 0 means any number.
    pub rate: u64,
    /// `tapwire.record-summary.allowance`: bytes of records a second that an output has in any case.
    pub allowance: u64,
    /// `tapwire.record-summary.flow-anomalies`: anomalies of a flow in an interval that have records, and after which its
    /// transactions have few; 0 means any number.
    pub flow_anomalies: u64,
    /// `tapwire.record-summary.first-alerts`: alerts of a rule between two hosts in an interval that are written in any case.
    pub first_alerts: u64,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { enabled: true, interval_s: 10, rate: 200, allowance: 256 << 10, flow_anomalies: 24, first_alerts: 8 }
    }
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// It is written.
    Whole,
    /// It is written, cut to so many bytes.
    Short(usize),
    /// It is counted in a summary.
    Summed,
}

/// A record, and the output that it goes to.
pub type Written = (u16, Vec<u8>);

/// What is written to each output, and what is summed up instead.
pub struct Ledger {
    settings: LedgerSettings,
    outputs: Vec<Account>,
    networks: Counted<(u16, Source), u64>,
    shares: Counted<(u16, u32, Option<IpNet>), Share>,
    alerts: Counted<(u16, Name, IpAddr, IpAddr), u64>,
    rules: Counted<(u16, Name, bool), u64>,
    flows: Counted<(u16, u64), Noise>,
    summaries: Summaries,
    now: Timestamp,
    /// Records that were summed up, by event type.
    pub summed: BTreeMap<&'static str, u64>,
}

/// The books of an output.
#[derive(Default)]
struct Account {
    all: Budget,
    history: History,
    /// By event type, and whether both ends sent something.
    kinds: HashMap<(&'static str, bool), Kind, RandomState>,
    /// Of what nobody answered and of what was answered.
    shares: [Share; 2],
}

/// The books of an event type.
#[derive(Default)]
struct Kind {
    budget: Budget,
    /// Records in the interval.
    records: u64,
}

/// Where records come from, or what flows of one packet go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source {
    tenant: u32,
    kind: &'static str,
    alone: bool,
    end: End,
    network: Option<IpNet>,
}

impl Source {
    fn of(cause: &Cause, end: End, address: Option<IpAddr>) -> Self {
        let (tenant, kind, alone) = (cause.tenant, cause.kind, cause.volume.alone);
        Self { tenant, kind, alone, end, network: address.map(network) }
    }
}

/// Bytes of packets, and of the records that they caused, of any type: a flow's bytes are charged to the first of its records, and leave room
/// for the others.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    traffic: u64,
    spent: u64,
}

impl Share {
    fn has_room(self, bytes: u64) -> bool {
        self.spent + bytes <= self.traffic
    }
}

/// What a flow with anomalies caused in an interval.
#[derive(Clone, Copy, Debug, Default)]
struct Noise {
    anomalies: u64,
    /// Other records since there were too many of them.
    others: u64,
}

impl Ledger {
    /// Empty books of so many outputs.
    pub fn new(settings: LedgerSettings, outputs: usize) -> Self {
        Self {
            settings,
            outputs: (0..outputs).map(|_| Account::default()).collect(),
            networks: Counted::new(NETWORKS),
            shares: Counted::new(NETWORKS),
            alerts: Counted::new(KEYS),
            rules: Counted::new(KEYS),
            flows: Counted::new(KEYS),
            summaries: Summaries::default(),
            now: Timestamp::default(),
            summed: BTreeMap::new(),
        }
    }

    /// What becomes of a record of `bytes` that would go to an output.
    pub fn book(&mut self, output: u16, cause: &Cause, bytes: usize, clock: &mut Clock) -> Booked {
        if !self.settings.enabled || usize::from(output) >= self.outputs.len() {
            return Booked::Whole;
        }
        self.advance(cause.occasion.now, clock);
        let (whole, short) = (bytes as u64, cause.charge.bytes.max(SHORT_BYTES));
        match self.decide(output, cause, whole, short) {
            Ok(taken) => {
                self.spend(output, cause, taken);
                if taken < whole { Booked::Short(usize::try_from(taken).unwrap_or(usize::MAX)) } else { Booked::Whole }
            }
            Err(end) => {
                *self.summed.entry(cause.kind).or_default() += 1;
                self.summaries.add(output, Place::of(cause, end), cause, whole);
                Booked::Summed
            }
        }
    }

    /// Summaries of what is over.
    pub fn take_due(&mut self) -> Vec<Written> {
        self.summaries.take_due()
    }

    /// The summaries of all that is left.
    pub fn finish(&mut self, clock: &mut Clock) -> Vec<Written> {
        self.close(clock);
        self.summaries.take_due()
    }

    /// So many bytes of a record are written, or it is counted at an end.
    fn decide(&mut self, output: u16, cause: &Cause, whole: u64, short: u64) -> Result<u64, End> {
        let (over, is_light) = self.network(output, cause, whole.min(short));
        if self.is_noise(output, cause) {
            return Err(End::Source);
        }
        let is_first = self.is_first_alert(output, cause);
        let (terms, of_kind) = self.terms(output, cause, is_light);
        let room = |bytes| self.has_room(output, cause, bytes, terms, of_kind);
        if is_first || over.is_none() && room(whole) {
            return Ok(whole);
        }
        if over.is_none() && whole > short && room(short) {
            return Ok(short);
        }
        Err(over.unwrap_or(End::Source))
    }

    /// Counts a record for its networks: at which end there are too many, and whether there are few of its source.
    fn network(&mut self, output: u16, cause: &Cause, bytes: u64) -> (Option<End>, bool) {
        let limit = self.settings.rate.saturating_mul(self.settings.interval_s.max(1));
        let alone = cause.volume.alone;
        let (mut over, mut is_light) = (None, false);
        let share = self.shares.of(Self::share(output, cause));
        share.traffic += cause.charge.bytes;
        let has_share = !alone && share.has_room(bytes);
        for (end, address) in [(End::Source, cause.source), (End::Destination, cause.destination)] {
            if end == End::Destination && !alone {
                continue;
            }
            let records = self.networks.of((output, Source::of(cause, end, address)));
            *records += 1;
            if end == End::Source {
                is_light = *records <= FEW;
            }
            // A flow of one packet tells nothing that a sum does not.
            let has_room = limit == 0 || *records <= limit || has_share;
            over = if has_room { over } else { Some(end) };
        }
        (over, is_light)
    }

    fn share(output: u16, cause: &Cause) -> (u16, u32, Option<IpNet>) {
        (output, cause.tenant, cause.source.map(network))
    }

    /// Whether a record is one of too many of a flow that brings little but anomalies. Alerts and the flow's own record are none.
    fn is_noise(&mut self, output: u16, cause: &Cause) -> bool {
        let limit = self.settings.flow_anomalies;
        let Some(flow) = cause.flow.filter(|_| limit > 0) else { return false };
        match cause.kind {
            "alert" | "flow" | "netflow" => false,
            "anomaly" => {
                let noise = self.flows.of((output, flow));
                noise.anomalies += 1;
                noise.anomalies > limit
            }
            _ => match self.flows.known(&(output, flow)) {
                Some(noise) if noise.anomalies > limit => {
                    noise.others += 1;
                    noise.others > NOISY_RECORDS
                }
                _ => false,
            },
        }
    }

    /// Whether an alert is one of the first of its rule between its ends, and its rule has not so many that it floods itself.
    fn is_first_alert(&mut self, output: u16, cause: &Cause) -> bool {
        if cause.kind != "alert" {
            return false;
        }
        let nobody = IpAddr::from([0, 0, 0, 0]);
        let ends = (cause.source.unwrap_or(nobody), cause.destination.unwrap_or(nobody));
        let seen = self.alerts.of((output, cause.name, ends.0, ends.1));
        *seen += 1;
        if *seen > self.settings.first_alerts {
            return false;
        }
        let answered = cause.charge.answered;
        let of_rule = self.rules.of((output, cause.name, answered));
        *of_rule += 1;
        *of_rule <= if answered { FIRST_ALERTS_OF_RULE } else { FIRST_UNANSWERED_ALERTS_OF_RULE }
    }

    /// Brings the books of an output and an event type up to a record: what both have room for.
    fn terms(&mut self, output: u16, cause: &Cause, is_light: bool) -> (Terms, Terms) {
        let allowance = self.settings.allowance;
        let (now, answered, is_alert) = (cause.occasion.now, cause.charge.answered, cause.kind == "alert");
        let of_kind = kind_terms(allowance, answered);
        let mut terms = Terms { burst: allowance, rate: allowance, eighths: 6 };
        if let Some(account) = self.outputs.get_mut(usize::from(output)) {
            if cause.occasion.last {
                account.history.replay(&mut account.all, now, terms.rate);
            }
            account.all.pass(now, terms.rate);
            let traffic = cause.occasion.traffic;
            account.all.traffic = account.all.traffic.max(traffic - traffic / UNBOOKED);
            let [unanswered, conversed] = &mut account.shares;
            (if answered { conversed } else { unanswered }).traffic += cause.charge.bytes;
            let kind = account.kinds.entry((cause.kind, answered)).or_default();
            kind.budget.pass(now, of_kind.rate);
            kind.records += 1;
            terms.eighths = match (kind.records <= FEW, is_alert || is_light && answered) {
                (true, _) => 8,
                (false, true) => 7,
                (false, false) => 6,
            };
        }
        (terms, of_kind)
    }

    fn has_room(&self, output: u16, cause: &Cause, bytes: u64, terms: Terms, of_kind: Terms) -> bool {
        let Some(account) = self.outputs.get(usize::from(output)) else { return true };
        let answered = cause.charge.answered;
        let [unanswered, conversed] = account.shares;
        let (kind, share) = (account.kinds.get(&(cause.kind, answered)), if answered { conversed } else { unanswered });
        account.all.has_room(bytes, terms)
            && (cause.kind == "alert" && answered
                || share.has_room(bytes)
                || kind.is_none_or(|kind| kind.budget.has_room(bytes, of_kind)))
    }

    fn spend(&mut self, output: u16, cause: &Cause, bytes: u64) {
        let Some(account) = self.outputs.get_mut(usize::from(output)) else { return };
        self.shares.of(Self::share(output, cause)).spent += bytes;
        if cause.occasion.last {
            account.all.spend(bytes, u64::MAX);
        } else {
            account.all.spend(bytes, self.settings.allowance);
            account.history.note(cause.occasion.now, bytes);
        }
        let answered = cause.charge.answered;
        let [unanswered, conversed] = &mut account.shares;
        (if answered { conversed } else { unanswered }).spent += bytes;
        let kind = account.kinds.entry((cause.kind, answered)).or_default();
        kind.budget.spend(bytes, kind_terms(self.settings.allowance, answered).burst);
    }

    /// Goes on to a time. What is a little older than the last one belongs to the same interval.
    fn advance(&mut self, now: Timestamp, clock: &mut Clock) {
        let length = self.settings.interval_s.max(1) * 1_000_000;
        let is_past = now.0.saturating_add(length) < self.now.0;
        if now > self.now || is_past {
            if now.0 / length != self.now.0 / length {
                self.close(clock);
            }
            self.now = now;
        }
    }

    /// Ends an interval.
    fn close(&mut self, clock: &mut Clock) {
        self.networks.clear();
        self.shares.clear();
        self.alerts.clear();
        self.rules.clear();
        self.flows.clear();
        self.outputs.iter_mut().flat_map(|account| account.kinds.values_mut()).for_each(|kind| kind.records = 0);
        for (output, bytes) in self.summaries.close(clock) {
            if let Some(account) = self.outputs.get_mut(usize::from(output)) {
                account.all.spend(bytes, self.settings.allowance);
            }
        }
    }
}

/// What records of an event type may have. Anybody can send what nobody answers, from anywhere.
fn kind_terms(allowance: u64, answered: bool) -> Terms {
    let (burst, rate) = if answered { (8, allowance.saturating_mul(8)) } else { (2, allowance / 8) };
    Terms { burst: allowance.saturating_mul(burst), rate, eighths: 8 }
}

/// The network of an address that records are counted by.
pub fn network(address: IpAddr) -> IpNet {
    let bits = if address.is_ipv4() { 24 } else { 64 };
    IpNet::new(address, bits).map_or(IpNet::from(address), |network| network.trunc())
}

/// Bytes to which a record may be cut rather than summed up, if the traffic that caused it has not more.
const SHORT_BYTES: u64 = 2_048;
/// Networks that are counted at once.
const NETWORKS: usize = 16_384;
/// Flows, rules and pairs of hosts that are counted at once.
const KEYS: usize = 16_384;
/// The part of all traffic that is left to records that stand in no books, as statistics do.
const UNBOOKED: u64 = 64;
/// Records of a network, or of an event type, in an interval that are few.
const FEW: u64 = 16;
/// Other records that a flow has in an interval after too many anomalies.
const NOISY_RECORDS: u64 = 8;
/// First alerts of one rule in an interval that are written in any case.
const FIRST_ALERTS_OF_RULE: u64 = 1_024;
/// The same of those that nobody answered, as anybody can forge them.
const FIRST_UNANSWERED_ALERTS_OF_RULE: u64 = 256;

#[cfg(test)]
mod tests;
