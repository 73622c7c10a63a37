//! Dates of certificates: seconds since 1970 from what they say, and back to text.

use crate::calendar;

/// Identifier octet of a time with a year of four digits; that of two digits is one less.
const GENERALIZED_TIME: u8 = 0x18;

/// The seconds of a time (RFC 5280, section 4.1.2.5). Forms that it forbids and X.680 knows are read as well: without seconds, with
/// a fraction of them, with an offset from universal time, without a zone.
pub(super) fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let mut pairs = pairs.iter().map(|[tens, ones]| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'));
    let mut next = || pairs.next();
    let year = if tag == GENERALIZED_TIME || digits.len() >= 14 {
        next()? * 100 + next()?
    } else {
        let year = next()?;
        if year < 50 { 2000 + year } else { 1900 + year }
    };
    let (month, day) = (next()?, next()?);
    let (hour, minute, second) = (next()?, next().unwrap_or(0), next().unwrap_or(0));
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range || pairs.next().is_some() {
        return None;
    }
    let fraction = rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b","));
    let zone = fraction.map_or(rest, |rest| {
        rest.get(rest.iter().take_while(|octet| octet.is_ascii_digit()).count()..).unwrap_or_default()
    });
    Some(calendar::days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?)
}

/// The seconds by which a zone is ahead of universal time.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, digits) = match zone {
        [] | b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u8>().ok().map(i64::from);
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    Some(sign * (number(hours)? * 3600 + minutes * 60))
}

/// A time in seconds since 1970 as records show it: `2018-04-14T20:55:27`.
pub(super) fn text(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = calendar::date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_before_and_after_1970() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (-86_400, "1969-12-31T00:00:00"),
            (1_523_739_327, "2018-04-14T20:55:27"),
            (951_782_400, "2000-02-29T00:00:00"),
        ] {
            assert_eq!(text(seconds), expected);
        }
    }

    #[test]
    fn times_are_read_in_every_form_that_was_ever_allowed() {
        for (tag, written, expected) in [
            (0x17, "180414205527Z", Some("2018-04-14T20:55:27")),
            (0x17, "700101000000Z", Some("1970-01-01T00:00:00")),
            (0x17, "1804142055Z", Some("2018-04-14T20:55:00")),
            (0x17, "180414225527+0200", Some("2018-04-14T20:55:27")),
            (0x17, "1804141455-0600", Some("2018-04-14T20:55:00")),
            (0x17, "20180414205527Z", Some("2018-04-14T20:55:27")),
            (0x18, "20180414205527.123Z", Some("2018-04-14T20:55:27")),
            (0x18, "2018041420", Some("2018-04-14T20:00:00")),
            (0x18, "00010101000000Z", Some("0001-01-01T00:00:00")),
            (0x17, "181314205527Z", None),
            (0x17, "180400205527Z", None),
            (0x17, "180414245527Z", None),
            (0x17, "18041420552Z", None),
            (0x17, "180414205527 noon", None),
            (0x17, "180414205527+é", None),
            (0x18, "", None),
        ] {
            assert_eq!(seconds(tag, written.as_bytes()).map(text).as_deref(), expected, "{written}");
        }
    }
}
