//! Times as text.

use tapwire_parsers::link::Timestamp;

/// `11/24/2009-18:57:25.179869`
pub(super) fn legacy(time: Timestamp) -> String {
    let ([year, month, day], clock) = parts(time);
    format!("{month:02}/{day:02}/{year:04}-{clock}")
}

/// `2009-11-24T18:57:25.179869+0000`
pub(super) fn iso8601(time: Timestamp) -> String {
    let ([year, month, day], clock) = parts(time);
    format!("{year:04}-{month:02}-{day:02}T{clock}+0000")
}

/// Seconds, and microseconds.
pub(super) fn halves(time: Timestamp) -> (u64, u64) {
    (time.0 / 1_000_000, time.0 % 1_000_000)
}

/// Year, month and day, and the time of the day.
fn parts(time: Timestamp) -> ([u64; 3], String) {
    let (seconds, micros) = halves(time);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is their last; eras of 400 years are all alike.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    ([year, month, day], format!("{:02}:{:02}:{:02}.{micros:06}", rest / 3_600, rest / 60 % 60, rest % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00.000000+0000"),
            (1_259_088_645_179_869, "2009-11-24T18:50:45.179869+0000"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001+0000"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59.000000+0000"),
        ] {
            assert_eq!(iso8601(Timestamp(micros)), expected);
        }
        assert_eq!(legacy(Timestamp(0)), "01/01/1970-00:00:00.000000");
    }
}
