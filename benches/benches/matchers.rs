//! Multi-pattern matchers against one another, on real rules and real payloads.
//!
//!     TAPWIRE_RULES=FOLDER TAPWIRE_CAPTURE=FILE cargo bench -p tapwire-benches --bench matchers
//!
//! The patterns are the longest content of each rule on payloads, at least four bytes; the texts are payloads of TCP packets. Every engine
//! tells which patterns occur in each payload, ASCII case ignored; the counts must be the same. With `--features vectorscan` the system's
//! `libhs` takes part.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::path::PathBuf;
use std::time::Instant;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use clap::Parser;
use daachorse::DoubleArrayAhoCorasick;
use tapwire::capture::Source;
use tapwire::capture::batch::Batch;
use tapwire::capture::files::Files;
use tapwire_parsers::link::{Layer4, Packet};
use tapwire_signatures::prefilter::{Folded, PatternSet, Scratch};
use tapwire_signatures::rule::Buffer;
use tapwire_signatures::rule::item::Item;

const PAYLOAD_BYTES: usize = 64 << 20;

fn main() {
    let (Some(rules), Some(capture)) = (std::env::var_os("TAPWIRE_RULES"), std::env::var_os("TAPWIRE_CAPTURE")) else {
        println!("left out: TAPWIRE_RULES and TAPWIRE_CAPTURE name the rules and the capture");
        return;
    };
    let patterns = patterns(&rules.to_string_lossy());
    let payloads = payloads(PathBuf::from(capture));
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    println!("{} patterns, {} payloads, {} MiB", patterns.len(), payloads.len(), bytes >> 20);
    println!("| engine | compile s | memory KiB | GB/s | found |\n|---|---|---|---|---|");
    let start = Instant::now();
    let mut set = PatternSet::default();
    for pattern in &patterns {
        set.add(pattern);
    }
    let own = set.compile();
    let (mut folded, mut scratch) = (Folded::default(), Scratch::default());
    row("own", start, own.memory_bytes(), &payloads, |text, _, found| {
        folded.fold(text);
        own.scan(&folded, &mut scratch, |_| *found += 1);
    });
    for (name, kind) in
        [("aho-corasick, NFA", AhoCorasickKind::ContiguousNFA), ("aho-corasick, DFA", AhoCorasickKind::DFA)]
    {
        let start = Instant::now();
        let built = AhoCorasick::builder().kind(Some(kind)).ascii_case_insensitive(true).build(&patterns);
        let Ok(engine) = built else { continue };
        row(name, start, engine.memory_usage(), &payloads, |text, seen, found| {
            engine.find_overlapping_iter(text).for_each(|hit| note(seen, found, hit.pattern().as_usize()));
        });
    }
    let start = Instant::now();
    let built: Result<DoubleArrayAhoCorasick<u32>, _> = DoubleArrayAhoCorasick::new(&patterns);
    if let Ok(engine) = built {
        let mut lower = Vec::new();
        row("daachorse", start, engine.heap_bytes(), &payloads, |text, seen, found| {
            lower.clear();
            lower.extend(text.iter().map(u8::to_ascii_lowercase));
            engine.find_overlapping_iter(&lower).for_each(|hit| note(seen, found, hit.value() as usize));
        });
    }
    #[cfg(feature = "vectorscan")]
    if let Err(error) = vectorscan(&patterns, &payloads) {
        println!("left out: libhs, {error}");
    }
}

/// What the system has as `libhs`: Vectorscan, or Hyperscan, from which it descends.
#[cfg(feature = "vectorscan")]
fn vectorscan(patterns: &[Vec<u8>], payloads: &[Vec<u8>]) -> hyperscan::Result<()> {
    use std::fmt::Write;

    use hyperscan::prelude::{BlockDatabase, Builder, Matching, Pattern, Patterns};

    let start = Instant::now();
    // As expressions, for this crate has literals as UTF-8 only.
    let escaped = patterns.iter().map(|bytes| {
        let mut expression = String::with_capacity(4 * bytes.len());
        bytes.iter().try_for_each(|byte| write!(expression, "\\x{byte:02x}")).ok();
        Ok(Pattern::new(expression)?.caseless().single_match())
    });
    let database: BlockDatabase = escaped.collect::<hyperscan::Result<Patterns>>()?.build()?;
    let scratch = database.alloc_scratch()?;
    let mut failed = Ok(());
    row(
        &format!("libhs, {}", database.info()?),
        start,
        database.size()? + scratch.size()?,
        payloads,
        |text, _, found| {
            let scanned = database.scan(text, &scratch, |_, _, _, _| {
                *found += 1;
                Matching::Continue
            });
            if scanned.is_err() {
                failed = scanned;
            }
        },
    );
    failed
}

/// Counts a pattern once for each payload.
fn note(seen: &mut Vec<usize>, found: &mut usize, pattern: usize) {
    if !seen.contains(&pattern) {
        seen.push(pattern);
        *found += 1;
    }
}

fn row(
    name: &str,
    start: Instant,
    memory_bytes: usize,
    payloads: &[Vec<u8>],
    mut scan: impl FnMut(&[u8], &mut Vec<usize>, &mut usize),
) {
    let compile_s = start.elapsed().as_secs_f64();
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    let (start, mut found, mut seen) = (Instant::now(), 0, Vec::new());
    for payload in payloads {
        seen.clear();
        scan(payload, &mut seen, &mut found);
    }
    #[expect(clippy::cast_precision_loss, reason = "it is printed with two digits")]
    let speed = bytes as f64 / start.elapsed().as_secs_f64() / 1e9;
    println!("| {name} | {compile_s:.2} | {} | {speed:.2} | {found} |", memory_bytes >> 10);
}

/// The longest content of each rule on payloads, in lower case, each once.
fn patterns(rules: &str) -> Vec<Vec<u8>> {
    let arguments = tapwire::start::cli::Arguments::try_parse_from(["tapwire", "check", "--rules", rules]);
    let Ok(tapwire::start::cli::Arguments { command: tapwire::start::cli::Command::Check(options), .. }) = arguments
    else {
        return Vec::new();
    };
    let Ok(prepared) = tapwire::start::engine::prepare(&options.common) else { return Vec::new() };
    let plan = &prepared.engine.plan;
    let rules = (0..).take(plan.len()).filter_map(|index| plan.rule(index));
    let longest = rules.filter_map(|rule| {
        let sections = rule.sections.iter().filter(|section| section.buffer == Buffer::Payload);
        let items = sections.flat_map(|section| &section.items);
        let contents = items.filter_map(|item| match item {
            Item::Content(content) if !content.negated && content.bytes.len() >= 4 => {
                Some(content.bytes.to_ascii_lowercase())
            }
            _ => None,
        });
        contents.max_by_key(Vec::len)
    });
    let mut all: Vec<Vec<u8>> = longest.collect();
    all.sort();
    all.dedup();
    all
}

fn payloads(capture: PathBuf) -> Vec<Vec<u8>> {
    let (mut source, mut batch) = (Files::new(&[capture]), Batch::new());
    let (mut all, mut bytes) = (Vec::new(), 0);
    while bytes < PAYLOAD_BYTES && source.next_batch(&mut batch).is_ok() && !batch.frames.is_empty() {
        for frame in &batch.frames {
            let data = batch.data(frame);
            let packet = Packet::decode(frame.number, frame.time, frame.link_type, data, frame.wire_len, false);
            if matches!(packet.layer4, Layer4::Tcp(_)) && !packet.payload.is_empty() {
                bytes += packet.payload.len();
                all.push(packet.payload.to_vec());
            }
        }
        batch.clear();
    }
    all
}
