//! How far a replay is, on the terminal: the share of the bytes that is read, the rate, the file.

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::capture::files::Progress;
use crate::run::Plan;
use crate::start::terminal::escaped;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// Letters of a file's name that are shown.
const NAME: usize = 32;

/// What is shown until it is dropped.
pub(super) struct Shown {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Shown {
    /// Shows the progress of a replay, where standard error is a terminal.
    pub(super) fn start(plan: &mut Plan<'_>, captures: &[PathBuf]) -> Option<Self> {
        if !stderr().is_terminal() {
            return None;
        }
        let progress = Arc::new(Progress::default());
        plan.progress = Some(Arc::clone(&progress));
        let size = |path: &PathBuf| path.metadata().ok().filter(|file| file.is_file()).map(|file| file.len());
        let bar = match captures.iter().map(size).sum::<Option<u64>>() {
            Some(bytes) => {
                ProgressBar::new(bytes).with_style(style("{bar:16} {percent:>3} %  {bytes_per_sec}  {eta} left"))
            }
            None => ProgressBar::new_spinner().with_style(style("{spinner} {bytes} {bytes_per_sec}")),
        };
        let (shown, stop) = (bar.clone(), Arc::new(AtomicBool::new(false)));
        let (ended, captures) = (Arc::clone(&stop), captures.to_vec());
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                shown.set_position(progress.bytes.load(Ordering::Relaxed));
                shown.set_message(message(&progress, &captures));
                std::thread::sleep(EVERY);
            }
        });
        Some(Self { bar, stop, thread: Some(thread) })
    }
}

fn style(counts: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("{counts}  {{wide_msg}}")).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The packets so far, and the file that is read.
fn message(progress: &Progress, captures: &[PathBuf]) -> String {
    let (packets, begun) = (progress.packets.load(Ordering::Relaxed), progress.files.load(Ordering::Relaxed));
    let file = begun.checked_sub(1).and_then(|at| captures.get(at)).and_then(|path| path.file_name());
    let name = file.map(|name| escaped(&Path::new(name).display().to_string(), false)).unwrap_or_default();
    let name: String = name.chars().take(NAME).collect();
    let which = if captures.len() > 1 { format!("{begun}/{} ", captures.len()) } else { String::new() };
    format!("{packets} packets  {which}{name}")
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.bar.finish_and_clear();
    }
}
