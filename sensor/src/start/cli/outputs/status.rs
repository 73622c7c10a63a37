//! `tapwire outputs status`: how far each output is, as its thread last told.

use clap::Args;
use tapwire_parsers::json::Object;

use super::Which;
use crate::capture::clock;
use crate::sinks::deliver::Settings;
use crate::sinks::deliver::report::Report;
use crate::sinks::deliver::times::{STEPS_MS, Times};
use crate::sinks::log::{cursor, search};
use crate::start::terminal::{say, show};

/// `tapwire outputs status`
#[derive(Clone, Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    which: Which,
}

/// How an output is doing.
struct Standing {
    settings: Settings,
    report: Report,
    /// Bytes of the log, as they lie there, that it has not delivered.
    waiting_bytes: u64,
}

impl Status {
    /// Does it; the exit status.
    pub(super) fn run(&self) -> u8 {
        let (outputs, folder) = match self.which.outputs() {
            Ok(found) => found,
            Err(status) => return status,
        };
        let mut status = 0;
        for settings in outputs {
            let log = folder.join(&settings.log);
            let found = Report::read(&log, &settings.name).and_then(|report| {
                let position = cursor::acknowledged(&log, &settings.name)?.unwrap_or_default();
                Ok((report, search::waiting(&log, position)?))
            });
            match found {
                Ok((Some(report), waiting_bytes)) => {
                    status = status.max(u8::from(report.away_since_us > 0));
                    let standing = Standing { settings, report, waiting_bytes };
                    show(if self.which.json { standing.json() } else { standing.text() });
                }
                Ok((None, _)) => {
                    status = 1;
                    say(&format!("{}: it never ran with its records in {}", settings.name, log.display()));
                }
                Err(error) => {
                    status = 1;
                    say(&format!("error: {}: {}: {error}", settings.name, log.display()));
                }
            }
        }
        status
    }
}

impl Standing {
    fn text(&self) -> String {
        let Report { delivered, delivered_bytes, left_out, cut, misfits, refused, missed, gaps, retries, .. } =
            self.report;
        let report = &self.report;
        let mut text = format!("{}: {}, as {}\n", report.name, report.to, self.settings.form());
        let state = if report.away_since_us > 0 {
            format!("cannot deliver for {}", ago(report.away_since_us))
        } else if report.last_delivery_us > 0 {
            format!("last delivery {} ago", ago(report.last_delivery_us))
        } else {
            "nothing was delivered yet".to_owned()
        };
        text.push_str(&format!("  {state}; {} of the log wait\n", size(self.waiting_bytes)));
        text.push_str(&format!("  delivered {delivered} ({})", size(delivered_bytes)));
        for (name, count) in [
            ("left out", left_out),
            ("cut", cut),
            ("values without a column", misfits),
            ("refused", refused),
            ("gaps", gaps),
            ("missed", missed),
            ("sent again", retries),
        ] {
            if count > 0 {
                text.push_str(&format!(", {name} {count}"));
            }
        }
        text.push('\n');
        for (name, times) in
            [("acknowledged after", &report.acknowledgement_times), ("a request takes", &report.request_times)]
        {
            if times.total() > 0 {
                text.push_str(&format!("  {name} {}\n", shares(times)));
            }
        }
        if !report.last_error.is_empty() {
            text.push_str(&format!("  last error, {} ago: {}\n", ago(report.last_error_us), report.last_error));
        }
        text
    }

    fn json(&self) -> String {
        let report = &self.report;
        let mut line = Vec::new();
        let mut object = Object::new(&mut line);
        object.text("output", &report.name).text("to", &report.to).boolean("away", report.away_since_us > 0);
        for (name, count) in [
            ("waiting_bytes", self.waiting_bytes),
            ("delivered", report.delivered),
            ("delivered_bytes", report.delivered_bytes),
            ("left_out", report.left_out),
            ("cut", report.cut),
            ("misfits", report.misfits),
            ("refused", report.refused),
            ("gaps", report.gaps),
            ("missed", report.missed),
            ("retries", report.retries),
            ("last_delivery_us", report.last_delivery_us),
            ("last_error_us", report.last_error_us),
        ] {
            object.number(name, count);
        }
        object.text("last_error", &report.last_error);
        for (name, times) in
            [("acknowledgement_ms", &report.acknowledgement_times), ("request_ms", &report.request_times)]
        {
            object.object(name, |object| {
                for (step, count) in times.counts.iter().enumerate() {
                    let end = STEPS_MS.get(step).map_or("more".to_owned(), u64::to_string);
                    object.named(&end).number(*count);
                }
            });
        }
        drop(object);
        line.push(b'\n');
        String::from_utf8_lossy(&line).into_owned()
    }
}

fn shares(times: &Times) -> String {
    let share = |percent| match times.percentile_ms(percent) {
        Some(ms) if ms < 1_000 => format!("{ms} ms"),
        Some(ms) => format!("{} s", ms / 1_000),
        None => "more than an hour".to_owned(),
    };
    format!("{} at most for half of them, {} for 99 %", share(50), share(99))
}

fn ago(us: u64) -> String {
    let seconds = clock::now().0.saturating_sub(us) / 1_000_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} KB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
