//! `tapwire packets`: packets out of a recording.

mod given;
mod out;

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use tapwire_parsers::link::Timestamp;

use super::plural;
use crate::recording::fetch::{Query, Report, fetch};
use crate::recording::filter::Filter;
use crate::start::terminal::say;
use given::Alert;
use out::Out;

pub(super) const HELP: &str =
    "Of a recording (`tapwire.recording.enabled: yes`) the packets of flows, of alerts, or all of a time:

  tapwire packets --log-dir out --flow-id 1459696810054533 -o flow.pcap
  tapwire packets --log-dir out --alert 2001219 -o alert.pcap            flows with alerts of this rule
  tapwire packets --log-dir out --alert 1:2001219 --from 2026-12-01T10:00:00Z --to 2026-12-01T11:00:00Z -o alert.pcap
  zstdgrep -m1 '\"event_type\":\"alert\"' out/eve.json.zst | tapwire packets --log-dir out --alert - -o alert.pcap
  tapwire packets --log-dir out --community-id 1:ZRNmF0FaMuh1NOhaRO+EBjrcEgg= -o - | tcpdump -r -
  tapwire packets --log-dir out --filter 'host 10.0.0.1 and tcp port 445' -o smb.pcapng

Flows, alerts and ids add up; times and the filter choose among what they find.";

/// `tapwire packets`
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true)))]
pub struct Packets {
    /// Folder of records, with the recording below it
    #[arg(long, value_name = "DIR", default_value = ".")]
    log_dir: PathBuf,
    /// Folder of the recording, where it is another one than `recording` below that of records
    #[arg(long, value_name = "DIR")]
    recording: Option<PathBuf>,
    /// Packets of a flow, by its id in records (repeatable)
    #[arg(long, value_name = "ID", group = "what")]
    flow_id: Vec<u64>,
    /// Packets of flows with alerts of a rule, or of the flow of one record, or of one on standard input (repeatable)
    #[arg(long, value_name = "SID|GID:SID|RECORD|-", group = "what")]
    alert: Vec<Alert>,
    /// Packets with a community id (repeatable)
    #[arg(long, value_name = "ID", group = "what", value_parser = given::community)]
    community_id: Vec<u64>,
    /// Only packets that pass a filter in tcpdump's language
    #[arg(long, value_name = "BPF", group = "what")]
    filter: Option<String>,
    /// Only packets from this time on: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME", group = "what", value_parser = given::time)]
    from: Option<Timestamp>,
    /// Only packets up to this time
    #[arg(long, value_name = "TIME", group = "what", value_parser = given::time)]
    to: Option<Timestamp>,
    /// File for the packets, - for standard output; pcapng if its name ends so
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Form of the file
    #[arg(long, value_name = "FORM")]
    format: Option<Format>,
    /// Say nothing but what is wrong
    #[arg(long)]
    quiet: bool,
}

/// Forms of files of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Plain and known everywhere; packets of one link type
    Pcap,
    /// Packets of any link types, with the ids of their flows as comments
    Pcapng,
}

impl Packets {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        match self.write() {
            Ok(found) => u8::from(!found),
            Err(error) => {
                say(&format!("error: {error}"));
                1
            }
        }
    }

    /// Writes what is found; whether that is something.
    fn write(&self) -> Result<bool, String> {
        let mut query = self.query()?;
        let folder = self.recording.clone().unwrap_or_else(|| self.log_dir.join("recording"));
        let is_pcapng = self.output.extension().is_some_and(|extension| extension == "pcapng");
        let format = self.format.unwrap_or(if is_pcapng { Format::Pcapng } else { Format::Pcap });
        let mut out = Out::new(&self.output, format);
        let report = fetch(&folder, &mut query, &mut |found| out.take(found))
            .map_err(|error| format!("the recording in {} cannot be read: {error}", folder.display()))?;
        let others = out.finish().map_err(|error| format!("{} cannot be written: {error}", self.output.display()))?;
        self.tell(&report, others);
        Ok(report.packets > 0)
    }

    fn query(&self) -> Result<Query, String> {
        let filter = self.filter.as_deref().map(Filter::new).transpose();
        let mut query = Query {
            flows: self.flow_id.clone(),
            aliases: self.community_id.clone(),
            from: self.from,
            to: self.to,
            filter: filter.map_err(|why| format!("the filter is none in tcpdump's language: {why}"))?,
            ..Query::default()
        };
        for alert in &self.alert {
            alert.add_to(&mut query)?;
        }
        Ok(query)
    }

    fn tell(&self, report: &Report, others: u64) {
        if report.damaged > 0 {
            let places = plural(usize::try_from(report.damaged).unwrap_or(usize::MAX), "place", "places");
            say(&format!(
                "warning: the recording is damaged at {} {places}; what is there could not be read",
                report.damaged
            ));
        }
        if others > 0 {
            say(&format!("warning: {others} packets of another link type are left out; write a .pcapng for all"));
        }
        if self.quiet {
            return;
        }
        let Report { segments, blocks, bytes, packets, .. } = report;
        say(&format!(
            "{packets} packets found in {blocks} blocks ({} KiB) of {segments} {}",
            bytes >> 10,
            plural(usize::try_from(*segments).unwrap_or(usize::MAX), "segment", "segments")
        ));
    }
}
