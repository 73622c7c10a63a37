//! Keywords that say what a rule is about and what its alerts show.

use super::Keyword;
use crate::builder::{Argument, Builder, Environment, unquote};
use crate::rule::Target;
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "msg",
        aliases: &[],
        doc: "What the alert says.",
        examples: &[r#"msg:"a message""#],
        parse: message,
    },
    Keyword {
        name: "sid",
        aliases: &[],
        doc: "The rule's id.",
        examples: &["sid:1"],
        parse: |b, a| number(a).map(|n| b.rule.sid = n),
    },
    Keyword {
        name: "gid",
        aliases: &[],
        doc: "The group of ids.",
        examples: &["gid:1"],
        parse: |b, a| number(a).map(|n| b.rule.gid = n),
    },
    Keyword {
        name: "rev",
        aliases: &[],
        doc: "The rule's revision.",
        examples: &["rev:2"],
        parse: |b, a| number(a).map(|n| b.rule.rev = n),
    },
    Keyword {
        name: "classtype",
        aliases: &[],
        doc: "The rule's class, from the classification file: gives the category and the severity.",
        examples: &[],
        parse: classtype,
    },
    Keyword {
        name: "priority",
        aliases: &[],
        doc: "The severity, 1 to 255.",
        examples: &["priority:1"],
        parse: priority,
    },
    Keyword {
        name: "reference",
        aliases: &[],
        doc: "Where to read more: kind, id.",
        examples: &["reference:url,example.com/x"],
        parse: reference,
    },
    Keyword {
        name: "metadata",
        aliases: &[],
        doc: "Pairs of key and value, for the alert.",
        examples: &["metadata:tag c2, cve 2020_1"],
        parse: metadata,
    },
    Keyword {
        name: "target",
        aliases: &[],
        doc: "Which side was attacked.",
        examples: &["target:src_ip"],
        parse: target,
    },
    Keyword {
        name: "requires",
        aliases: &[],
        doc: "What the sensor must be able to do; otherwise the rule is skipped.",
        examples: &["requires:version >= 7.0.0"],
        parse: requires,
    },
    Keyword {
        name: "noalert",
        aliases: &[],
        doc: "Raises no alert.",
        examples: &["noalert"],
        parse: |b, a| a.none().map(|()| b.rule.noalert = true),
    },
    Keyword {
        name: "alert",
        aliases: &[],
        doc: "Raises an alert although the action is pass.",
        examples: &["alert"],
        parse: |b, a| a.none().map(|()| b.rule.alert = true),
    },
    Keyword {
        name: "prefilter",
        aliases: &[],
        doc: "Asks for a prefilter on the keyword before it.",
        examples: &[],
        parse: prefilter,
    },
];

fn prefilter(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    argument.none()?;
    let rule = &mut builder.rule;
    if rule.prefilter {
        return Err(argument.fault("the rule has `prefilter` already", "a rule has one prefilter"));
    }
    let conditions = [rule.sections.len(), rule.packet.len(), rule.transaction.len(), rule.app_protocol.len()];
    let others = [rule.flowbits.len(), rule.events.len(), rule.file.len()];
    if conditions.iter().chain(&others).all(|count| *count == 0) {
        return Err(argument.fault("`prefilter` has no condition before it", "put it after the one that it is about"));
    }
    rule.prefilter = true;
    Ok(())
}

fn number(argument: &Argument<'_>) -> Result<u32, Fault> {
    let text = argument.required()?;
    let digits = unquote(text).unwrap_or(text).trim();
    digits.parse().map_err(|_| argument.fault(format!("`{digits}` is no number"), "a whole number below 4294967296"))
}

/// Removes the backslashes that keep semicolons and quotes from ending a text.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        out.push(c);
    }
    out
}

fn message(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let inner = unquote(text)
        .filter(|_| text.starts_with('"'))
        .ok_or_else(|| argument.fault("`msg` needs a text in quotes", ""))?;
    builder.rule.message = unescape(inner);
    Ok(())
}

fn classtype(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let name = argument.required()?;
    builder.rule.class = builder.names.text(name);
    if let Some(class) = builder.environment.classes.get(name) {
        builder.rule.category = class.description.clone();
        if builder.rule.severity == 0 {
            builder.rule.severity = class.priority;
        }
    }
    Ok(())
}

fn priority(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let value = number(argument)?;
    builder.rule.severity =
        u8::try_from(value).ok().filter(|&v| v > 0).ok_or_else(|| argument.fault("a priority is 1 to 255", ""))?;
    Ok(())
}

fn reference(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let Some((kind, id)) = text.split_once(',') else {
        return Err(argument.fault("a reference is a kind and an id", "such as reference:url,example.com"));
    };
    let start =
        builder.environment.references.get(kind.trim()).map_or_else(|| format!("{}:", kind.trim()), str::to_owned);
    builder.rule.references.push(format!("{start}{}", id.trim()).into());
    Ok(())
}

fn metadata(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut all = std::mem::take(&mut builder.rule.metadata).into_vec();
    for pair in argument.required()?.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once(char::is_whitespace).unwrap_or((pair, ""));
        all.push((builder.names.text(key), builder.names.text(value.trim())));
    }
    builder.rule.metadata = all.into_boxed_slice();
    Ok(())
}

fn target(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    builder.rule.target = Some(match argument.required()? {
        "src_ip" => Target::Source,
        "dest_ip" => Target::Destination,
        other => return Err(argument.fault(format!("`{other}` is no target"), "src_ip or dest_ip")),
    });
    Ok(())
}

fn requires(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    unmet(argument, builder.environment).map(drop)
}

/// What a rule requires and the sensor lacks, if there is something.
pub(crate) fn unmet(argument: &Argument<'_>, environment: &Environment) -> Result<Option<Fault>, Fault> {
    for wanted in argument.required()?.split(',').map(str::trim) {
        let (what, rest) = wanted.split_once(char::is_whitespace).unwrap_or((wanted, ""));
        let met = match what {
            "version" => version_holds(rest, environment.version)
                .ok_or_else(|| argument.fault(format!("`{rest}` is no version"), "such as version >= 7.0.3"))?,
            "feature" => environment.features.iter().any(|f| f == rest.trim()),
            "keyword" => super::find(rest.trim()).is_some(),
            _ => false,
        };
        if !met {
            let lacking = if what == "version" { "another version" } else { "a required feature" };
            return Ok(Some(argument.fault(format!("missing {lacking}: {wanted}"), "the rule is left out")));
        }
    }
    Ok(None)
}

/// Whether a version fulfils `>= 7.0.3 < 8 | >= 9`; `None` where that cannot be read.
fn version_holds(text: &str, own: (u32, u32, u32)) -> Option<bool> {
    let mut any = false;
    for alternative in text.split('|') {
        let mut all = true;
        let mut words = alternative.split_whitespace();
        while let Some(operator) = words.next() {
            let mut parts = words.next()?.split('.').map(|p| p.parse::<u32>().ok());
            let wanted = (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
            all &= match operator {
                ">=" => own >= wanted,
                ">" => own > wanted,
                "<" => own < wanted,
                "<=" => own <= wanted,
                _ => return None,
            };
        }
        any |= all;
    }
    Some(any)
}
