//! What is looked for: one entry each, with what is said of it and what to do.

use std::time::Duration;

use super::limits;
use super::{Check, Grown, Verdict};

/// Packets that came, of all interfaces.
pub(super) const PACKETS: &str = "packets";

/// What is looked at each second, in what the reading threads count.
pub static QUICK: &[Check] = &[
    Check {
        name: "packets_lost",
        advice: "give workers more of the machine (`--threads`, fewer or cheaper rules, a BPF filter), or the system a larger buffer; \
                 docs/deploying.md says what each count means",
        over: "no more packets are lost",
        calm: Duration::from_secs(5),
        live_only: true,
        judge: lost,
    },
    Check {
        name: "no_traffic",
        advice: "see whether the interface is up and has a link (`ip -s link`), whether the mirror session is on, and whether a filter lets \
                 nothing through",
        over: "packets come again",
        calm: Duration::ZERO,
        live_only: true,
        judge: silent,
    },
];

/// What is looked at from time to time, in what all threads count; of a capture, in the whole of it.
pub static SLOW: &[Check] = &[
    Check {
        name: "checksums_refused",
        advice: "if they were captured on a host that leaves checksums to its network card, use --checksums auto, or off",
        over: "most packets have right checksums again",
        calm: CALM,
        live_only: false,
        judge: refused,
    },
    Check {
        name: "one_sided",
        advice: "mirror both directions (of a TAP both ports: `-i A -i B`), or set stream.async-oneside where routing is asymmetric",
        over: "both sides of connections are seen",
        calm: CALM,
        live_only: false,
        judge: one_sided,
    },
    Check {
        name: "data_unseen",
        advice: "they were lost before they came here: a mirror port that is slower than what is mirrored, a busy switch, or a path that is \
                 not mirrored",
        over: "what is acknowledged is seen again",
        calm: CALM,
        live_only: false,
        judge: unseen,
    },
    Check {
        name: "packets_cut",
        advice: "capture whole packets (`snaplen: 0` or 262144 of the interface, tcpdump -s 0)",
        over: "packets are whole again",
        calm: CALM,
        live_only: false,
        judge: cut,
    },
    Check {
        name: "packets_glued",
        advice: "switch off what glues segments together before they are captured: ethtool -K IFACE gro off lro off tso off gso off",
        over: "packets are as they were on the wire",
        calm: CALM,
        live_only: true,
        judge: glued,
    },
    Check {
        name: "group_traffic_only",
        advice: "the port sees what any port of the switch sees: configure the mirror session and its destination port",
        over: "packets between hosts are seen",
        calm: Duration::ZERO,
        live_only: true,
        judge: group_only,
    },
    Check {
        name: "duplicates",
        advice: "mirror one direction of each port (or VLANs instead of ports), or set tapwire.duplicates.mode to drop",
        over: "packets come once",
        calm: CALM,
        live_only: false,
        judge: duplicates,
    },
    Check {
        name: "limits",
        advice: "docs/limits.md says what each limit is for and which key raises it",
        over: "no limit leaves anything out",
        calm: CALM,
        live_only: false,
        judge: limited,
    },
];

/// How long something has to be away until it is over.
const CALM: Duration = Duration::from_secs(60);

/// Where packets are lost, in words.
const LOST: [(&str, &str); 3] = [
    ("tapwire.packets.dropped.kernel", "by the system, whose buffer was full"),
    ("tapwire.packets.dropped.interface", "by the interface or its driver"),
    ("tapwire.packets.dropped.ring_full", "because a worker was too far behind"),
];

fn lost(grown: &Grown<'_>) -> Verdict {
    let reasons = LOST.map(|(name, words)| (grown.of(name), words));
    let all: u64 = reasons.iter().map(|(count, _)| count).sum();
    if all == 0 {
        return Verdict::No;
    }
    let said = reasons.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}"));
    let what = format!("packets are lost: {}", said.collect::<Vec<_>>().join(", "));
    Verdict::Yes(what, vec![("packets_lost", all)])
}

fn silent(grown: &Grown<'_>) -> Verdict {
    let limit_s = u64::from(grown.silence_limit_s);
    match grown.silence {
        Some(silence) if limit_s > 0 && silence.as_secs() >= limit_s => {
            Verdict::Yes(format!("no packet came for {} s", silence.as_secs()), Vec::new())
        }
        _ => Verdict::No,
    }
}

/// Something that part of some packets are: at least `few` of them and `percent` of all.
fn share(part: u64, all: u64, few: u64, percent: u64) -> Option<bool> {
    (all >= few).then(|| part >= few && part.saturating_mul(100) >= all.saturating_mul(percent))
}

fn judged(is_so: Option<bool>, what: impl FnOnce() -> String, counts: &[(&'static str, u64)]) -> Verdict {
    match is_so {
        None => Verdict::Unknown,
        Some(false) => Verdict::No,
        Some(true) => Verdict::Yes(what(), counts.to_vec()),
    }
}

fn refused(grown: &Grown<'_>) -> Verdict {
    let (refused, all) = (grown.of("tapwire.checksums.refused"), grown.of("decoder.tcp") + grown.of("decoder.udp"));
    let what = || format!("{refused} of {all} TCP and UDP packets have a wrong checksum and are not inspected");
    judged(share(refused, all, 20, 51), what, &[("packets_refused", refused), ("packets", all)])
}

fn one_sided(grown: &Grown<'_>) -> Verdict {
    let (one, both) = (grown.of("tapwire.flow.one_sided"), grown.of("tapwire.flow.two_sided"));
    let what =
        || format!("of {one} of {} TCP connections only one side is seen, and their contents are not read", one + both);
    judged(share(one, one + both, 10, 20), what, &[("one_sided", one), ("two_sided", both)])
}

fn unseen(grown: &Grown<'_>) -> Verdict {
    let (unseen, all) = (grown.of("tcp.ack_unseen_data"), grown.of("decoder.tcp"));
    let is_so = (all >= 1_000).then(|| unseen >= 20 && unseen.saturating_mul(1_000) >= all);
    let what = || {
        let here: u64 = LOST.iter().map(|(name, _)| grown.of(name)).sum();
        let own = if here > 0 { format!(" ({here} packets were lost here as well)") } else { String::new() };
        format!("{unseen} of {all} TCP packets acknowledge bytes that never came{own}")
    };
    judged(is_so, what, &[("acknowledgements_of_unseen_bytes", unseen), ("gaps", grown.of("tcp.reassembly_gap"))])
}

fn cut(grown: &Grown<'_>) -> Verdict {
    let (cut, all) = (grown.of("tapwire.packets.cut"), grown.of("decoder.pkts"));
    let what =
        || format!("{cut} of {all} packets were not captured to their end, and what is missing is not inspected");
    judged(share(cut, all, 50, 1), what, &[("packets_cut", cut), ("packets", all)])
}

fn glued(grown: &Grown<'_>) -> Verdict {
    let (glued, all) = (grown.of("tapwire.packets.glued"), grown.of("decoder.pkts"));
    let what = || {
        format!(
            "{glued} of {all} packets are longer than any that goes over a wire: they were glued together from several"
        )
    };
    judged(Some(glued >= 10), what, &[("packets_glued", glued), ("packets", all)])
}

fn group_only(grown: &Grown<'_>) -> Verdict {
    let (group, all) = (grown.of("tapwire.packets.group"), grown.of("decoder.ethernet"));
    let what = || format!("{group} of {all} packets are for all hosts or for groups, and hardly any for one");
    judged(share(group, all, 100, 99), what, &[("packets_for_groups", group), ("packets", all)])
}

fn duplicates(grown: &Grown<'_>) -> Verdict {
    let (twice, all) = (grown.of("tapwire.packets.duplicates"), grown.of("decoder.pkts"));
    let what = || format!("{twice} of {all} packets came twice");
    judged(share(twice, all, 100, 5), what, &[("duplicates", twice), ("packets", all)])
}

fn limited(grown: &Grown<'_>) -> Verdict {
    let (count, words) = limits::of(&|name| grown.of(name));
    let what = || format!("limits left out some of the inspection: {words}");
    judged(Some(count >= 100), what, &[("times", count)])
}
