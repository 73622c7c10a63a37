//! `xbits` and `hostbits`: named bits that rules keep of hosts and pairs of hosts, across flows.

use super::Keyword;
use super::flowbits::{OPERATIONS, checked_name, operation};
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::{BitTrack, HostBits};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "xbits",
        aliases: &[],
        doc: "Sets, unsets, toggles or asks for a bit of the source (`track ip_src`), the destination (`ip_dst`), the pair of both (`ip_pair`) or the transaction (`tx`); it lives `expire` seconds, 30 where none are given.",
        examples: &["xbits:set,scanner,track ip_src,expire 60", "xbits:isset,scanner,track ip_src", "xbits:noalert"],
        parse: xbits,
    },
    Keyword {
        name: "hostbits",
        aliases: &[],
        doc: "Sets, unsets, toggles or asks for a bit of the source (`src`, also where nothing is said) or the destination (`dst`).",
        examples: &["hostbits:set,scanner", "hostbits:isset,scanner,dst"],
        parse: hostbits,
    },
];

const XBITS_EXPIRE_S: u32 = 30;
const HOSTBITS_EXPIRE_S: u32 = 300;

fn xbits(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "such as `set,name,track ip_src,expire 60`";
    let text = argument.required()?;
    if text == "noalert" {
        builder.rule.noalert = true;
        return Ok(());
    }
    let mut parts = text.split(',').map(str::trim);
    let (word, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let (mut track, mut expire_s) = (None, None);
    for part in parts {
        let (key, value) = part.split_once(char::is_whitespace).map_or((part, ""), |(key, value)| (key, value.trim()));
        match key {
            "track" if track.is_none() => {
                track = Some(match value {
                    "ip_src" => BitTrack::Source,
                    "ip_dst" => BitTrack::Destination,
                    "ip_pair" => BitTrack::Pair,
                    "tx" => BitTrack::Transaction,
                    _ => {
                        return Err(
                            argument.fault(format!("`{value}` cannot be tracked"), "ip_src, ip_dst, ip_pair or tx")
                        );
                    }
                });
            }
            "expire" if expire_s.is_none() => {
                let seconds = value.parse().ok().filter(|&s: &u32| s > 0);
                expire_s = Some(
                    seconds
                        .ok_or_else(|| argument.fault(format!("`{value}` is no number of seconds"), "at least 1"))?,
                );
            }
            _ => return Err(argument.fault(format!("`{part}` is unknown here or stands twice"), hint)),
        }
    }
    let track = track.ok_or_else(|| argument.fault("whose bit it is is missing", hint))?;
    push(builder, argument, word, name, track, expire_s.unwrap_or(XBITS_EXPIRE_S))
}

fn hostbits(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "such as `set,name` or `isset,name,dst`";
    let parts: Vec<&str> = argument.required()?.split(',').map(str::trim).collect();
    let (word, name, side) = match parts.as_slice() {
        ["noalert"] => {
            builder.rule.noalert = true;
            return Ok(());
        }
        [word, name] => (*word, *name, "src"),
        [word, name, side] => (*word, *name, *side),
        _ => return Err(argument.fault("what to do and a name are needed", hint)),
    };
    let track = match side {
        "src" => BitTrack::Source,
        "dst" => BitTrack::Destination,
        _ => return Err(argument.fault(format!("`{side}` is neither `src` nor `dst`"), hint)),
    };
    push(builder, argument, word, name, track, HOSTBITS_EXPIRE_S)
}

fn push(
    builder: &mut Builder<'_>,
    argument: &Argument<'_>,
    word: &str,
    name: &str,
    track: BitTrack,
    expire_s: u32,
) -> Result<(), Fault> {
    let operation =
        operation(word).ok_or_else(|| argument.fault(format!("`{word}` is nothing to do with a bit"), OPERATIONS))?;
    let bit = builder.names.hostbits.intern(checked_name(name, argument)?);
    let bit = bit.ok_or_else(|| argument.fault("too many names of bits", ""))?;
    builder.rule.hostbits.push(HostBits { operation, bit, track, expire_s });
    Ok(())
}
