//! `tapwire top`: what a live sensor does, twice a screen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::ctl::Where;
use crate::start::terminal::{say, show, show_alone};

pub(super) const HELP: &str = "Examples:
  tapwire top                       every two seconds, until Ctrl-C
  tapwire top --once                what happened within one interval, and end";

/// Lines of protocols and of rules.
const SHOWN: usize = 10;

/// `tapwire top`
#[derive(Clone, Debug, Args)]
pub struct Top {
    /// Where it is.
    #[command(flatten)]
    pub place: Where,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub interval: u64,
    /// Look twice, show what happened between, and end
    #[arg(long)]
    pub once: bool,
}

/// What `stats` answers.
#[derive(Deserialize)]
struct Stats {
    uptime_s: u64,
    counters: BTreeMap<String, u64>,
    rules: Vec<Rule>,
    queues: Vec<Queue>,
}

#[derive(Clone, Copy, Deserialize)]
struct Rule {
    gid: u32,
    sid: u32,
    tenant: u32,
    matches: u64,
}

#[derive(Clone, Copy, Deserialize)]
struct Queue {
    bytes: u64,
}

impl Top {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        self.watch().unwrap_or_else(|status| status)
    }

    fn watch(&self) -> Result<u8, u8> {
        let mut client = self.place.connect()?;
        let mut ask = |command| match client.ask(command, &Value::Null) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(failed(&why)),
            Err(error) => Err(failed(&error)),
        };
        let read = |answer| serde_json::from_value::<Stats>(answer).map_err(|error| failed(&error));
        let (mut before, mut at) = (read(ask("stats")?)?, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(self.interval));
            let (status, now) = (ask("status")?, read(ask("stats")?)?);
            let view = View { before: &before, now: &now, seconds: at.elapsed().as_secs_f64() };
            if self.once {
                show(view.text(&status));
                return Ok(0);
            }
            show_alone(&view.text(&status));
            (before, at) = (now, Instant::now());
        }
    }
}

fn failed(why: &dyn std::fmt::Display) -> u8 {
    say(&format!("error: {why}"));
    1
}

/// Two moments and what lies between.
struct View<'a> {
    before: &'a Stats,
    now: &'a Stats,
    seconds: f64,
}

impl View<'_> {
    fn text(&self, status: &Value) -> String {
        let told = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        let interfaces: Vec<&str> = status
            .get("interfaces")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut out = format!(
            "tapwire {}  {}  up {}  sandbox {}\n{}\n\n",
            told("version"),
            interfaces.join(", "),
            time(self.now.uptime_s),
            told("sandbox"),
            told("rules")
        );
        let stuck = status.get("stuck").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in stuck {
            out.push_str(&format!("STUCK: {name}\n"));
        }
        for (name, rate, total) in [
            ("packets", self.rate("tapwire.packets.seen"), self.total("tapwire.packets.seen")),
            ("Mbit", self.rate("decoder.bytes") * 8.0 / 1e6, self.total("decoder.bytes") / 125_000),
            ("dropped", self.dropped_rate(), self.dropped(self.now)),
            ("flows", self.rate("flow.total"), self.total("flow.total")),
            ("alerts", self.rate("detect.alert"), self.total("detect.alert")),
            ("records", self.rate("tapwire.records.made"), self.total("tapwire.records.made")),
            ("lost", self.rate("tapwire.records.shed"), self.total("tapwire.records.shed")),
        ] {
            out.push_str(&format!("{name:<10}{rate:>14.1} /s {total:>18}\n"));
        }
        out.push_str(&format!("\n{:<10}{:>14}\n", "active", self.total("flow.active")));
        for (name, counter) in MEMORY {
            out.push_str(&format!("{name:<10}{:>14}\n", size(self.total(counter))));
        }
        let waiting = self.now.queues.iter().map(|queue| size(queue.bytes)).collect::<Vec<_>>().join(" ");
        out.push_str(&format!("{:<10}{waiting:>14}\n\n", "waiting"));
        for (name, rate) in self.protocols() {
            out.push_str(&format!("{name:<24}{rate:>10.1} transactions/s\n"));
        }
        out.push('\n');
        for rule in self.now.rules.iter().take(SHOWN) {
            let whose = if rule.tenant > 0 { format!(" tenant {}", rule.tenant) } else { String::new() };
            out.push_str(&format!("{}:{}{whose}  {} matches\n", rule.gid, rule.sid, rule.matches));
        }
        out
    }

    fn total(&self, name: &str) -> u64 {
        self.now.counters.get(name).copied().unwrap_or(0)
    }

    fn rate(&self, name: &str) -> f64 {
        let before = self.before.counters.get(name).copied().unwrap_or(0);
        per_second(self.total(name).saturating_sub(before), self.seconds)
    }

    fn dropped(&self, of: &Stats) -> u64 {
        let all = of.counters.iter().filter(|(name, _)| name.starts_with("tapwire.packets.dropped."));
        all.map(|(_, count)| count).sum()
    }

    fn dropped_rate(&self) -> f64 {
        per_second(self.dropped(self.now).saturating_sub(self.dropped(self.before)), self.seconds)
    }

    /// Protocols that have transactions, those with most of them first.
    fn protocols(&self) -> Vec<(&str, f64)> {
        let named =
            self.now.counters.keys().filter_map(|name| Some((name.split_once("app_layer.tx.")?.1, self.rate(name))));
        let mut all: Vec<(&str, f64)> = named.filter(|(_, rate)| *rate > 0.0).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(SHOWN);
        all
    }
}

/// Memory that is shown.
const MEMORY: [(&str, &str); 4] = [
    ("flows", "flow.memuse"),
    ("streams", "tcp.reassembly_memuse"),
    ("parsers", "tapwire.app_layer.memuse"),
    ("records", "tapwire.records.waiting_bytes"),
];

#[expect(clippy::cast_precision_loss, reason = "what is shown has one digit behind the point")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(0.001)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60);
    if days > 0 { format!("{days}d {clock}") } else { clock }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(counters: &[(&str, u64)]) -> Stats {
        let counters = counters.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let rules = vec![Rule { gid: 1, sid: 2001, tenant: 0, matches: 7 }];
        Stats { uptime_s: 90_061, counters, rules, queues: vec![Queue { bytes: 3 << 20 }] }
    }

    #[test]
    fn rates_and_totals_stand_beside_each_other() {
        let before =
            stats(&[("tapwire.packets.seen", 100), ("tapwire.packets.dropped.kernel", 1), ("app_layer.tx.http", 5)]);
        let now = stats(&[
            ("tapwire.packets.seen", 300),
            ("tapwire.packets.dropped.kernel", 5),
            ("tapwire.packets.dropped.ring_full", 6),
            ("app_layer.tx.http", 9),
            ("app_layer.tx.ntp", 0),
            ("flow.memuse", 5000),
        ]);
        let view = View { before: &before, now: &now, seconds: 2.0 };
        let status = serde_json::json!({"version": "1", "interfaces": ["a", "b"], "sandbox": "full", "rules": "3 rules in use", "stuck": ["the writer"]});
        let text = view.text(&status);
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        for line in [
            "tapwire 1 a, b up 1d 01:01:01 sandbox full",
            "3 rules in use",
            "STUCK: the writer",
            "packets 100.0 /s 300",
            "dropped 5.0 /s 11",
            "flows 4 KiB",
            "waiting 3 MiB",
            "http 2.0 transactions/s",
            "1:2001 7 matches",
        ] {
            let wanted: Vec<&str> = line.split_whitespace().collect();
            assert!(words.contains(&wanted), "{line} is not in\n{text}");
        }
        assert!(!text.contains("ntp"));
    }
}
