//! Times of records (`2026-11-24T12:35:06.357488+0000`) in the forms that formats want.

/// Microseconds since 1970; `None` if it is no time stamp of a record.
pub(crate) fn micros(stamp: &str) -> Option<i64> {
    let bytes: &[u8; 31] = stamp.as_bytes().try_into().ok()?;
    let number = |from: usize, to: usize| {
        bytes
            .get(from..to)?
            .iter()
            .try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
    if marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let zone = number(27, 29)? * 60 + number(29, 31)?;
    let zone_minutes = match bytes.get(26) {
        Some(b'+') => zone,
        Some(b'-') => -zone,
        _ => return None,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + (minute - zone_minutes) * 60 + second;
    Some(seconds * 1_000_000 + number(20, 26)?)
}

/// The same, also of a time without parts of a second and zone, as certificates have them (`2026-11-24T12:35:06`).
#[cfg(feature = "parquet")]
pub(crate) fn moment(stamp: &str) -> Option<i64> {
    if stamp.len() == 19 { micros(&format!("{stamp}.000000+0000")) } else { micros(stamp) }
}

/// Days since 1970 of a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day that not every year has is their last one.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The same time as RFC 3339 writes it: `2026-11-24T12:35:06.357488Z`.
pub(super) fn rfc3339(stamp: &str) -> String {
    match (stamp.strip_suffix("+0000"), stamp.split_at_checked(29)) {
        (Some(utc), _) => format!("{utc}Z"),
        (_, Some((hours, minutes))) => format!("{hours}:{minutes}"),
        _ => stamp.to_owned(),
    }
}

/// Seconds since 1970 with a fraction.
pub(super) fn seconds(micros: i64) -> String {
    format!("{}.{:06}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_are_read() {
        for (stamp, expected) in [
            ("1970-01-01T00:00:00.000001+0000", Some(1)),
            ("2019-12-22T12:33:20.837297+0000", Some(1_577_018_000_837_297)),
            ("2024-02-29T00:00:01.000010+0000", Some(1_709_164_801_000_010)),
            ("2024-02-29T01:00:01.000010+0100", Some(1_709_164_801_000_010)),
            ("2024-02-28T22:30:01.000010-0130", Some(1_709_164_801_000_010)),
            ("2024-13-29T00:00:01.000010+0000", None),
            ("2024-02-29 00:00:01.000010+0000", None),
            ("2024-02-29T00:00:01.00001x+0000", None),
            ("2024-02-29T00:00:01Z", None),
        ] {
            assert_eq!(micros(stamp), expected, "{stamp}");
        }
        assert_eq!(seconds(1_577_018_000_000_297), "1577018000.000297");
        assert_eq!(rfc3339("2019-12-22T12:33:20.837297+0000"), "2019-12-22T12:33:20.837297Z");
        assert_eq!(rfc3339("2019-12-22T12:33:20.837297+0130"), "2019-12-22T12:33:20.837297+01:30");
    }
}
