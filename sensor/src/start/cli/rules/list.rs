//! `tapwire rules list`: which rules there are, what they are asked about, and what they are likely to cost.

use clap::{Args, ValueEnum};
use tapwire_parsers::json::Object;
use tapwire_signatures::plan::{Estimate, Plan};
use tapwire_signatures::rule::{Buffer, Rule};

use super::id::RuleId;
use super::{Settings, plural, prepared, say, show, stress};

pub(super) const HELP: &str =
    "The fast pattern is what is looked for in all traffic, with its buffer; bytes that are no plain
text stand between bars, in hexadecimal. The cost is looks times work.

Looks, in a thousand packets and transactions:
  fast pattern   1 to 5 by its rarity; of 3 bytes 10, of 2 bytes 20, of 1 byte 50, but at most 5
                 where it can stand at one place only
  none           anomaly or address list 1, recognition 2, start of a flow 5, listed port 10,
                 every transaction 20 (60 where any protocol will do), every packet or chunk 100
                 (50 where the protocol is given); twice for packets and streams together
Work of a look:
  1, and for each condition 1, expression 10, script 30, transform, entropy or
  data set 5

cheap is below 50, moderate below 500, costly from there on; none is a rule that cannot match.

WORST is what the rule can be made to cost by bytes written for it, in units a byte, as far as a short
play of fillers tells; above 80 it can run out of fuel. `tapwire rules stress` shows the bytes.

Examples:
  tapwire rules list --rules rules/ --sort cost | head -20   the dearest rules
  tapwire rules list --rules rules/ --technique T1059        about command interpreters
  tapwire rules list --rules rules/ --sid 2000000-2999999 --json | jq -r .msg

Exit status: 0 listed, 1 no rule could be read or, with --strict, one was refused.";

/// Bytes of the buffers that are played to rules.
const WORST_BYTES: usize = 256;

/// `tapwire rules list`
#[derive(Clone, Debug, Default, Args)]
pub(super) struct List {
    #[command(flatten)]
    settings: Settings,
    /// Rules instead of the configuration's `rule-files`: a file, a folder or a pattern
    #[arg(long, value_name = "FILE|DIR|GLOB")]
    rules: Vec<String>,
    /// Only rules with this sid or one of a range (repeatable)
    #[arg(long, value_name = "N|A-B", value_parser = sids)]
    sid: Vec<(u32, u32)>,
    /// Only rules with this value in their metadata, such as the `c2` of `tag c2` (repeatable, all must be there)
    #[arg(long, value_name = "WORD")]
    tag: Vec<String>,
    /// Only rules on this protocol: that of the header, or of a buffer
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// Only rules about this ATT&CK technique, or a technique below it
    #[arg(long, value_name = "T1059[.001]")]
    technique: Option<String>,
    /// Only rules of this class
    #[arg(long, value_name = "CLASSTYPE")]
    class: Option<String>,
    /// Only rules with all these words in their message, in any case
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// Order
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// End with status 1 where a rule or a value cannot be right
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// By sid
    #[default]
    Sid,
    /// The dearest first
    Cost,
    /// Those first that can be made dearest
    Worst,
}

impl List {
    pub(super) fn run(&self) -> u8 {
        let Some(prepared) = prepared(&self.settings.common(self.rules.clone())) else { return 1 };
        let plan = &prepared.engine.plan;
        if plan.is_empty() {
            say(
                "error: there is no rule; name a file, a folder or a pattern with --rules, or a configuration with --config",
            );
            return 1;
        }
        let rows = self.rows(plan);
        show(if self.json { json(&rows) } else { table(&rows).into_bytes() });
        if !self.json {
            let refused = match prepared.rules.failed {
                0 => String::new(),
                failed => format!(", {failed} refused"),
            };
            say(&format!("{} of {} {} shown{refused}", rows.len(), plan.len(), plural(plan.len(), "rule", "rules")));
        }
        u8::from(self.strict && !prepared.found.faults.is_empty())
    }

    fn rows<'p>(&self, plan: &'p Plan) -> Vec<Row<'p>> {
        let mut worst = vec![0; plan.len()];
        for (index, stress) in stress::all(plan, WORST_BYTES, |rule| self.wants(rule)) {
            if let Some(units) = worst.get_mut(index as usize) {
                *units = stress.units_a_byte;
            }
        }
        let rows = (0..).take(plan.len()).filter_map(|index| {
            let (rule, kind) = (plan.rule(index)?, plan.kind(index)?);
            let row = || {
                Some(Row {
                    id: RuleId::of(plan, index)?,
                    rule,
                    kind: kind.name(),
                    estimate: plan.estimate(index)?,
                    worst: *worst.get(index as usize)?,
                })
            };
            self.wants(rule).then(row).flatten()
        });
        let mut rows: Vec<Row<'_>> = rows.collect();
        rows.sort_by_key(|row| (row.id.sid, row.id.gid, row.id.tenant));
        match self.sort {
            Sort::Sid => {}
            Sort::Cost => rows.sort_by_key(|row| std::cmp::Reverse(row.estimate.cost)),
            Sort::Worst => rows.sort_by_key(|row| std::cmp::Reverse(row.worst)),
        }
        rows
    }

    fn wants(&self, rule: &Rule) -> bool {
        let in_metadata = |word: &String| rule.metadata.iter().any(|(_, value)| value.eq_ignore_ascii_case(word));
        let message = || rule.message.to_lowercase();
        (self.sid.is_empty() || self.sid.iter().any(|(from, to)| (*from..=*to).contains(&rule.sid)))
            && self.tag.iter().all(in_metadata)
            && self.protocol.as_ref().is_none_or(|name| is_on(rule, name))
            && self.technique.as_ref().is_none_or(|technique| is_about(rule, technique))
            && self.class.as_ref().is_none_or(|class| rule.class.eq_ignore_ascii_case(class))
            && self.text.as_ref().is_none_or(|words| {
                let message = message();
                words.to_lowercase().split_whitespace().all(|word| message.contains(word))
            })
    }
}

/// Whether a rule's header or one of its buffers is of a protocol.
fn is_on(rule: &Rule, name: &str) -> bool {
    let of = |word: &str| word.split('.').next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(name));
    let fields = rule.sections.iter().filter_map(|section| match section.buffer {
        Buffer::Field(name) => Some(name.as_str()),
        Buffer::Later(name) => Some(name),
        Buffer::Frame(name) => name.strip_prefix("frame:"),
        _ => None,
    });
    of(rule.protocol.name()) || fields.into_iter().any(of)
}

/// Whether a rule's metadata or its references name a technique or one below it.
fn is_about(rule: &Rule, technique: &str) -> bool {
    let wanted = technique.to_ascii_uppercase();
    let is_it = |said: &str| {
        let said = said.to_ascii_uppercase().replace('/', ".");
        said.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let named = |(key, value): &(_, std::sync::Arc<str>)| {
        let key: &std::sync::Arc<str> = key;
        ["technique", "mitre", "attack"].iter().any(|word| key.contains(word)) && is_it(value)
    };
    let linked = |reference: &str| {
        let (_, rest) = reference.split_once("attack.mitre.org/techniques/").unwrap_or_default();
        is_it(rest.trim_end_matches('/'))
    };
    rule.metadata.iter().any(named) || rule.references.iter().any(|reference| linked(reference))
}

/// Reads `N` or `A-B`.
pub(super) fn sids(text: &str) -> Result<(u32, u32), String> {
    let number =
        |text: &str| text.trim().parse::<u32>().map_err(|_| format!("`{text}` is no sid; write 2001 or 2001-2999"));
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (number(from)?, number(to)?);
    if from > to { Err(format!("{from} is above {to}; write the lower sid first")) } else { Ok((from, to)) }
}

struct Row<'p> {
    id: RuleId,
    rule: &'p Rule,
    kind: &'static str,
    estimate: Estimate<'p>,
    /// Units a byte that it can be made to cost.
    worst: u64,
}

/// Bytes as `content` writes them.
pub(super) fn printable(bytes: &[u8]) -> String {
    let (mut text, mut within) = (String::new(), false);
    for &byte in bytes {
        let plain = matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'|' | b';' | b'\\');
        text.push_str(match (within, plain) {
            (false, false) | (true, true) => "|",
            (true, false) => " ",
            (false, true) => "",
        });
        within = !plain;
        if plain {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("{byte:02x}"));
        }
    }
    if within {
        text.push('|');
    }
    text
}

fn json(rows: &[Row<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for Row { id, rule, kind, estimate, worst } in rows {
        let mut object = Object::new(&mut out);
        id.write(&mut object);
        object.number("rev", rule.rev);
        object.text("action", rule.action.name()).text("protocol", rule.protocol.name()).text("msg", &rule.message);
        object.text("classtype", rule.class.as_ref()).text("kind", kind).text("found_by", estimate.found.name());
        object.array("fast_patterns", |array| {
            for (buffer, bytes) in &estimate.patterns {
                array.object(|o| {
                    o.text("buffer", buffer).text("pattern", printable(bytes)).number("bytes", bytes.len());
                });
            }
        });
        object.number("cost", estimate.cost).text("cost_class", estimate.class()).number("worst", *worst);
        object.array("metadata", |array| {
            for (key, value) in &rule.metadata {
                array.text(format!("{key} {value}").trim_end());
            }
        });
        object.array("waits_for", |array| {
            for missing in &rule.later {
                array.text(missing);
            }
        });
        drop(object);
        out.push(b'\n');
    }
    out
}

/// Columns as wide as their widest cell, within reason.
fn table(rows: &[Row<'_>]) -> String {
    const WIDEST: usize = 48;
    let head = ["RULE", "ACTION", "PROTOCOL", "KIND", "COST", "WORST", "FAST PATTERN", "MESSAGE"].map(str::to_owned);
    let cells = rows.iter().map(|Row { id, rule, kind, estimate, worst }| {
        let pattern = match estimate.patterns.split_first() {
            _ if !rule.later.is_empty() => format!("(cannot match yet: {})", rule.later.join(", ")),
            Some(((buffer, bytes), more)) => {
                let more = if more.is_empty() { String::new() } else { format!(" (+{})", more.len()) };
                format!("{buffer} \"{}\"{more}", printable(bytes))
            }
            None => format!("({})", estimate.found.name()),
        };
        let tenant = if id.tenant > 0 { format!("{}/", id.tenant) } else { String::new() };
        let id = format!("{tenant}{}:{}:{}", rule.gid, rule.sid, rule.rev);
        let (action, protocol) = (rule.action.name().into(), rule.protocol.name().into());
        let cost = format!("{} {}", estimate.cost, estimate.class());
        let message = rule.message.replace(char::is_control, " ");
        [id, action, protocol, (*kind).to_owned(), cost, worst.to_string(), pattern, message]
    });
    let lines: Vec<[String; 8]> = std::iter::once(head).chain(cells).collect();
    let mut widths = [0; 8];
    for line in &lines {
        for (widest, cell) in widths.iter_mut().zip(line) {
            *widest = cell.chars().count().min(WIDEST).max(*widest);
        }
    }
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapwire_signatures::builder::Environment;
    use tapwire_signatures::language::load::{Source, load};
    use tapwire_signatures::plan::order::ActionOrder;

    const RULES: &str = r#"
        alert http any any -> any any (msg:"Web Shell upload"; http.uri; content:"/shell.php"; classtype:web-attack; metadata:tag webshell, mitre_technique_id T1505.003; sid:10; rev:3;)
        alert tcp any any -> any any (msg:"raw bytes"; content:"|00 01|ab"; reference:url,attack.mitre.org/techniques/T1059/001/; sid:7;)
        drop tcp any any -> any any (msg:"an expression on everything"; pcre:"/x/"; sid:20;)
    "#;

    fn plan() -> Plan {
        let loaded = load(&[Source { name: "t".into(), text: RULES.into() }], &Environment::default());
        assert!(loaded.faults.iter().all(|fault| fault.warning), "{:?}", loaded.faults);
        Plan::new(loaded.set, &ActionOrder::default())
    }

    #[test]
    fn filters_leave_what_fits() {
        let plan = plan();
        let some = |text: &str| Some(text.to_owned());
        let none = List::default();
        for (options, expected) in [
            (none.clone(), &[7, 10, 20][..]),
            (List { sort: Sort::Cost, ..none.clone() }, &[20, 7, 10]),
            (List { sid: vec![(7, 7), (15, 30)], ..none.clone() }, &[7, 20]),
            (List { tag: vec!["WebShell".into()], ..none.clone() }, &[10]),
            (List { protocol: some("http"), ..none.clone() }, &[10]),
            (List { technique: some("T1505"), ..none.clone() }, &[10]),
            (List { technique: some("t1059.001"), ..none.clone() }, &[7]),
            (List { technique: some("T105"), ..none.clone() }, &[]),
            (List { class: some("web-attack"), ..none.clone() }, &[10]),
            (List { text: some("shell WEB"), ..none.clone() }, &[10]),
        ] {
            let sids: Vec<u32> = options.rows(&plan).iter().map(|row| row.rule.sid).collect();
            assert_eq!(sids, expected, "{options:?}");
        }
    }

    #[test]
    fn a_row_shows_pattern_and_cost() {
        let plan = plan();
        let rows = List::default().rows(&plan);
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("payload \"|00 01|ab\""), "{text}");
        assert!(lines[2].starts_with("1:10:3  alert   http      transaction  2 cheap"), "{text}");
        assert!(lines[3].contains("1100 costly  1      (every packet)"), "{text}");
        for line in String::from_utf8(json(&rows)).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(row["cost"].is_u64() && row["fast_patterns"].is_array(), "{line}");
        }
    }

    #[test]
    fn sids_are_numbers_or_ranges() {
        assert_eq!(sids("5"), Ok((5, 5)));
        assert_eq!(sids("5-9"), Ok((5, 9)));
        for wrong in ["", "x", "9-5", "-", "5-"] {
            assert!(sids(wrong).is_err(), "{wrong}");
        }
        assert_eq!(printable(b"a|\0\"b"), "a|7c 00 22|b");
    }
}
