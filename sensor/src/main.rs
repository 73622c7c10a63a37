//! The program: reads its arguments, prepares, runs, and tells what happened.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use tapwire::capture::CaptureError;
use tapwire::capture::listing::{Listing, own_names};
use tapwire::capture::live::Interface;
use tapwire::capture::offload::Checksums;
use tapwire::inspect::Engine;
use tapwire::run::{self, Active, Plan, Settings, Summary};
use tapwire::sequence::in_words;
use tapwire::start::cli::{Arguments, Check, ChecksumMode, Command, Common, Live, Replay};
use tapwire::start::config::{Configuration, Severity};
use tapwire::start::engine::{Found, Prepared, Reloader, prepare};
use tapwire::start::terminal::{lines, say, show, tell, usage};
use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::{CostReport, Excess};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(usage(error)),
    };
    let status = match arguments.command {
        Command::Replay(options) => replay(&options),
        Command::Run(options) => live(&options),
        Command::Check(options) => check(&options),
        Command::Rules(options) => options.run(),
        Command::Manual(options) => options.run(),
    };
    ExitCode::from(status)
}

/// Reads configuration and rules and reports their problems; the exit status where the run must not begin.
fn prepared(common: &Common) -> Result<Prepared, u8> {
    let prepared = prepare(common).map_err(|problems| {
        problems.iter().for_each(|problem| tell(problem, Severity::Error));
        1
    })?;
    let found = &prepared.found;
    for problem in found.faults.iter().chain(&found.lines) {
        tell(problem, Severity::Error);
    }
    if !common.quiet {
        for problem in &found.warnings {
            tell(problem, Severity::Warning);
        }
        for problem in &found.left_out {
            // No problem, so it does not go where problems go.
            show(problem.render(Severity::Note) + "\n");
        }
    }
    if common.strict && !found.faults.is_empty() {
        say(&format!("{} problems; nothing was done, because --strict was given", found.faults.len()));
        return Err(1);
    }
    Ok(prepared)
}

fn workers(common: &Common) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(1));
    common.threads.unwrap_or(cores)
}

fn folder(common: &Common, configuration: &Configuration) -> PathBuf {
    common.log_dir.clone().unwrap_or_else(|| configuration.log_dir.clone())
}

/// Tells of a rule that takes more than its share of the work, or that ran out of fuel.
fn tell_costly(tenant: u32, rule: &Rule, report: &CostReport) {
    let (gid, sid, message) = (rule.gid, rule.sid, &rule.message);
    let whose = if tenant > 0 { format!(" of tenant {tenant}") } else { String::new() };
    let told = match report.excess {
        Excess::Share { percent, suspended } => {
            let done = if suspended { ", and is suspended" } else { "" };
            format!(
                "takes {percent} % of the work of all rules and of what is inspected{done}; give it a longer or rarer content to be found \
                 by, or name ports; `tapwire rules profile` measures it"
            )
        }
        Excess::Fuel => "ran out of fuel: somebody sends bytes that make it work, and it was not decided there; records with the anomaly \
                         RULE_OUT_OF_FUEL name the flows; `tapwire rules stress` shows the bytes"
            .to_owned(),
    };
    say(&format!("warning: rule {gid}:{sid}{whose} ({message}) {told}"));
}

fn plan<'a>(
    common: &Common,
    (configuration, settings, data_dir): (&Configuration, &'a Settings, Option<&'a Path>),
    active: Arc<Active>,
    folder: &'a Path,
) -> Plan<'a> {
    Plan {
        settings,
        active,
        folder,
        data_dir: data_dir.unwrap_or(folder),
        workers: workers(common),
        checksums: match common.checksums {
            Some(ChecksumMode::On) => Checksums::On,
            Some(ChecksumMode::Off) => Checksums::Off,
            Some(ChecksumMode::Auto) => Checksums::Auto,
            None => configuration.checksums,
        },
        progress: None,
        costly: Some(&tell_costly),
        warn: Some(&|warning| say(&format!("warning: {warning}"))),
    }
}

fn replay(options: &Replay) -> u8 {
    let common = &options.common;
    let prepared = match prepared(common) {
        Ok(prepared) => prepared,
        Err(status) => return status,
    };
    let Listing { captures, others } = match Listing::of(&options.captures) {
        Ok(listing) => listing,
        Err(error) => return ended(&error),
    };
    if !common.quiet {
        for path in others {
            say(&format!("{}: is no capture and is left out", path.display()));
        }
    }
    let Prepared { configuration, engine, data_dir, .. } = prepared;
    leave_to_system(Arc::clone(&engine));
    let (obeyed, active) = (configuration.settings(), Active::new(engine));
    let settings = (&configuration, &obeyed, data_dir.as_deref());
    let folder = folder(common, &configuration);
    let mut status = 0;
    if options.each {
        for (capture, name) in captures.iter().zip(own_names(&captures)) {
            let own = folder.join(name);
            let summary =
                run::replay(&plan(common, settings, Arc::clone(&active), &own), std::slice::from_ref(capture));
            status = status.max(told(&summary, true, configuration.damage_status));
        }
        return status;
    }
    let mut plan = plan(common, settings, active, &folder);
    let progress = (!common.quiet && std::io::stderr().is_terminal()).then(|| Progress::start(&mut plan));
    let summary = run::replay(&plan, &captures);
    drop(progress);
    told(&summary, common.quiet, configuration.damage_status)
}

fn live(options: &Live) -> u8 {
    let common = &options.common;
    // Before rules are read: to ask for a reload too early must not end the program.
    let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for (signal, flag) in [(SIGINT, &stop), (SIGTERM, &stop), (SIGHUP, &reload), (SIGUSR2, &reload)] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(flag)) {
            say(&format!("error: signals cannot be caught: {error}"));
            return 1;
        }
    }
    let prepared = match prepared(common) {
        Ok(prepared) => prepared,
        Err(status) => return status,
    };
    let (configuration, data_dir) = (prepared.configuration.clone(), prepared.data_dir.clone());
    let obeyed = configuration.settings();
    let settings = (&configuration, &obeyed, data_dir.as_deref());
    let reloader = Reloader::new(common, prepared);
    let active = reloader.active();
    let folder = folder(common, &configuration);
    let many = options.interfaces.len() > 1;
    let watch = |interface: &String| {
        // Each interface has its own records where there are several.
        let own = if many { folder.join(interface) } else { folder.clone() };
        let held = match run::hold(&own) {
            Ok(held) => held,
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                say(&format!("error: {error}"));
                return error.exit_status();
            }
        };
        let source = Interface::open(interface, 0, options.bpf.as_deref(), Arc::clone(&stop));
        let source = match source {
            Ok(source) => source,
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                return ended(&error);
            }
        };
        if !common.quiet {
            say(&format!("watching {interface}, records in {}; end with Ctrl-C", own.display()));
        }
        let summary = run::live(&plan(common, settings, Arc::clone(&active), &own), source, held);
        told(&summary, common.quiet, configuration.damage_status)
    };
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (watch, ended) = (&watch, &ended);
        let threads: Vec<_> =
            options.interfaces.iter().map(|interface| scope.spawn(move || watch(interface))).collect();
        scope.spawn(|| reloader.run(&reload, ended, &lines));
        let status = threads.into_iter().map(|thread| thread.join().unwrap_or(1)).max().unwrap_or(0);
        ended.store(true, Ordering::Relaxed);
        status
    })
}

fn check(options: &Check) -> u8 {
    let Prepared { found, rules, engine, .. } = match prepare(&options.common) {
        Ok(prepared) => prepared,
        Err(problems) => {
            problems.iter().for_each(|problem| tell(problem, Severity::Error));
            return 1;
        }
    };
    leave_to_system(engine);
    let Found { mut faults, lines, warnings, left_out, .. } = found;
    faults.extend(lines);
    let mut text = String::new();
    if options.json {
        let mut line = Vec::new();
        {
            let mut object = tapwire_parsers::json::Object::new(&mut line);
            object.number("loaded", rules.loaded).number("failed", rules.failed).number("skipped", rules.skipped);
            if !rules.tenants.is_empty() {
                object.array("tenants", |array| {
                    for (tenant, counts) in &rules.tenants {
                        array.object(|o| {
                            o.number("id", *tenant).number("loaded", counts.loaded);
                            o.number("failed", counts.failed).number("skipped", counts.skipped);
                        });
                    }
                });
            }
            object.object("not_active_yet", |o| {
                for (name, count) in &rules.later {
                    o.number(name, *count);
                }
            });
            for (key, list) in [("errors", &faults), ("warnings", &warnings), ("left_out", &left_out)] {
                object.array(key, |array| {
                    for problem in list {
                        array.object(|o| problem.write(o));
                    }
                });
            }
        }
        text = String::from_utf8_lossy(&line).into_owned();
    } else {
        for (severity, list) in
            [(Severity::Error, &faults), (Severity::Warning, &warnings), (Severity::Note, &left_out)]
        {
            for problem in list {
                text.push_str(&problem.render(severity));
                text.push('\n');
            }
        }
        for (name, count) in &rules.later {
            text.push_str(&format!("not active yet: {count} rules that use {name}\n"));
        }
        for (tenant, counts) in &rules.tenants {
            let whose = if *tenant > 0 { format!("tenant {tenant}") } else { "no tenant".into() };
            let (loaded, failed, skipped) = (counts.loaded, counts.failed, counts.skipped);
            text.push_str(&format!("{whose}: {loaded} rules loaded, {failed} refused, {skipped} skipped\n"));
        }
        text.push_str(&format!(
            "{} rules loaded, {} refused, {} skipped; the prefilters hold {} KiB",
            rules.loaded,
            rules.failed,
            rules.skipped,
            rules.prefilter_bytes / 1024
        ));
    }
    show(text + "\n");
    u8::from(!faults.is_empty())
}

/// Keeps rules to the end of the program: to take a large set apart piece by piece takes longer than the system does for all of it.
fn leave_to_system(engine: Arc<Engine>) {
    std::mem::forget(engine);
}

fn ended(error: &CaptureError) -> u8 {
    say(&format!("error: {error}"));
    error.exit_status()
}

/// Tells how a run went; its exit status. What is cut off or damaged counts for it only where the configuration wants that.
fn told(summary: &Summary, quiet: bool, damage_status: bool) -> u8 {
    let count = |name: &str| summary.counters.get(name).copied().unwrap_or(0);
    if !quiet {
        let (dropped, lost) =
            (count("decoder.invalid"), LOST.iter().map(|(reason, _)| lost(summary, reason)).sum::<u64>());
        say(&format!(
            "{} packets seen, {} processed, {dropped} not decodable; {} flows, {} alerts",
            count("decoder.pkts") + lost,
            count("decoder.pkts") - dropped,
            count("flow.total"),
            count("detect.alert"),
        ));
    }
    if let Some(lost) = lost_packets(summary) {
        say(&lost);
    }
    if summary.lost.total() > 0 {
        say(&format!("warning: lost are {}", in_words(&summary.lost)));
    }
    if let Some((refused, all)) = summary.refused {
        say(&format!("warning: {}", run::mostly_refused(refused, all)));
    }
    if summary.panics > 0 {
        say(&format!(
            "{} packets made a worker panic and were dropped with their flows; the first are kept as panic-*.pcap beside the records: \
             please report them",
            summary.panics
        ));
    }
    for failure in &summary.script_failures {
        say(&format!("warning: the script of a rule failed: {failure}"));
    }
    for failure in &summary.output_failures {
        say(&format!("warning: the script of an output failed: {failure}"));
    }
    let mut status = 0;
    for error in &summary.errors {
        let fatal = damage_status || !error.is_damage();
        say(&format!("{}: {error}", if fatal { "error" } else { "warning" }));
        status = status.max(if fatal { error.exit_status() } else { 0 });
    }
    status
}

/// Why packets never come to be inspected, as counters have it and in words.
const LOST: [(&str, &str); 3] = [
    ("kernel", "by the system, whose buffer was full"),
    ("interface", "by the interface or its driver"),
    ("ring_full", "because a worker was too far behind"),
];

fn lost(summary: &Summary, reason: &str) -> u64 {
    summary.dropped.get(reason).copied().unwrap_or(0)
}

/// Packets that never came to be inspected, by reason, in words.
fn lost_packets(summary: &Summary) -> Option<String> {
    let all: u64 = LOST.iter().map(|(reason, _)| lost(summary, reason)).sum();
    let reasons = LOST.iter().filter(|(reason, _)| lost(summary, reason) > 0);
    let said: Vec<String> = reasons.map(|(reason, words)| format!("{} {words}", lost(summary, reason))).collect();
    (all > 0).then(|| format!("warning: {all} packets were lost: {}", said.join(", ")))
}

/// A count of packets on the terminal while a replay runs.
struct Progress {
    bar: indicatif::ProgressBar,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Progress {
    fn start(plan: &mut Plan<'_>) -> Self {
        let packets = Arc::new(AtomicU64::new(0));
        plan.progress = Some(Arc::clone(&packets));
        let (bar, stop) = (indicatif::ProgressBar::new_spinner(), Arc::new(AtomicBool::new(false)));
        let (shown, ended) = (bar.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                shown.set_message(format!("{} packets", packets.load(Ordering::Relaxed)));
                shown.tick();
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        Self { bar, stop, thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.bar.finish_and_clear();
    }
}
