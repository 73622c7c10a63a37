//! `stats.log`: counters as a table, for people.

use std::io::Write;

use tapwire_parsers::link::Timestamp;

use super::header::Clock;

/// Writes the counters, which are in the order of their names, as a table with a head that says when.
pub fn write(out: &mut Vec<u8>, time: Timestamp, uptime_s: u64, counters: &[(&str, u64)], clock: &mut Clock) {
    let day = clock.day_and_time(time);
    let (date, time) = day.split_once('-').unwrap_or((&day, ""));
    let time = time.split('.').next().unwrap_or_default();
    let (days, hours, minutes, seconds) = (uptime_s / 86_400, uptime_s / 3_600 % 24, uptime_s / 60 % 60, uptime_s % 60);
    let head = writeln!(
        out,
        "{RULE}\nDate: {date} -- {time} (uptime: {days}d, {hours:02}h {minutes:02}m {seconds:02}s)\n{RULE}\n\
         {:NAME$} | {:THREAD$} | Value\n{RULE}",
        "Counter", "TM Name"
    );
    let rows =
        counters.iter().try_for_each(|(name, count)| writeln!(out, "{name:NAME$} | {:THREAD$} | {count}", "Total"));
    debug_assert!(head.and(rows).is_ok(), "writing to memory does not fail");
}

const NAME: usize = 45;
const THREAD: usize = 25;
const RULE: &str = "------------------------------------------------------------------------------------";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_a_line_below_a_head_with_the_time() {
        let mut out = Vec::new();
        let counters = [("capture.kernel_packets", 12), ("tcp.sessions", 3)];
        write(&mut out, Timestamp(1_767_225_600_000_000), 93_784, &counters, &mut Clock::default());
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "Date: 01/01/2026 -- 00:00:00 (uptime: 1d, 02h 03m 04s)");
        assert_eq!(lines[3], format!("Counter{} | TM Name{} | Value", " ".repeat(38), " ".repeat(18)));
        assert_eq!(lines[5], format!("capture.kernel_packets{} | Total{} | 12", " ".repeat(23), " ".repeat(20)));
        assert_eq!((lines.len(), lines[6].ends_with("| 3")), (7, true));
        assert!([0, 2, 4].into_iter().all(|rule| lines[rule] == RULE));
    }
}
