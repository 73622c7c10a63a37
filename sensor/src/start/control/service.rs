//! The service manager: that the sensor is ready, ends, and lives (`sd_notify(3)`), as long as every thread of it moves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::{Desk, NAP};

/// How often it is looked whether all threads move.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells that the sensor is ready, then that it lives, until it ends.
pub(super) fn watch(desk: &Desk, ended: &AtomicBool) {
    let status = format!("watching {}", desk.about.interfaces.join(", "));
    // Where nobody manages it nobody is told, and nothing is wrong.
    drop(sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]));
    let is_watched = sd_notify::watchdog_enabled().is_some();
    let mut looked = Instant::now();
    let mut told_end = false;
    while !ended.load(Ordering::Relaxed) {
        std::thread::sleep(NAP);
        if desk.switches.stop.load(Ordering::Relaxed) && !told_end {
            told_end = true;
            drop(sd_notify::notify(&[NotifyState::Stopping]));
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            let is_well = desk.look().is_empty();
            if is_watched && (is_well || told_end) {
                drop(sd_notify::notify(&[NotifyState::Watchdog]));
            }
        }
    }
}
