//! Tests of numbers: the one syntax that all integer keywords share.
//!
//! `5`, `=5`, `!5`, `!=5`, `<5`, `<=5`, `>5`, `>=5`, `1-5` and `1<>5` (both without their ends), `!1-5`, `&0x0f=0x05`, `!&0x0f=0x05`
//! and `&0x0f!=0x05`. Numbers are decimal or, with `0x`, hexadecimal, may carry a unit (`kb`, `mb`, `gb`, counting 1,024), and may be
//! names where the keyword has a table of them.

use super::condition::Verdict;

/// A test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberTest {
    /// `5`
    Equal(u64),
    /// `!5`
    NotEqual(u64),
    /// `<5`
    Less(u64),
    /// `<=5`
    LessOrEqual(u64),
    /// `>5`
    Greater(u64),
    /// `>=5`
    GreaterOrEqual(u64),
    /// `1-5`: greater than the first, less than the second.
    Between(u64, u64),
    /// `!1-5`
    NotBetween(u64, u64),
    /// `&mask=value`
    Bits {
        /// The bits that count.
        mask: u64,
        /// What they must be.
        value: u64,
    },
    /// `!&mask=value`
    NotBits {
        /// The bits that count.
        mask: u64,
        /// What they must not be.
        value: u64,
    },
}

/// Names that stand for numbers in a keyword's value.
pub type NumberNames<'a> = &'a [(&'a str, u64)];

impl NumberTest {
    /// Reads a test.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_with(text, &[])
    }

    /// Reads a test whose numbers may be names (ASCII case is ignored).
    pub fn parse_with(text: &str, names: NumberNames<'_>) -> Result<Self, String> {
        let text = text.trim();
        // A whole name first: names may hold a dash (`client-hello`), which would read as a range.
        if let Some(number) = named(text, names) {
            return Ok(Self::Equal(number));
        }
        for (prefix, test) in COMPARISONS {
            if let Some(rest) = text.strip_prefix(prefix) {
                let test = test(number(rest, names)?);
                return test.is_possible().then_some(test).ok_or_else(|| format!("no number can be `{text}`"));
            }
        }
        if let Some(rest) = text.strip_prefix('!') {
            return Ok(Self::parse_positive(rest.trim_start(), names)?.negated());
        }
        Self::parse_positive(text, names)
    }

    /// Reads a test of numbers that are at most `max`; what no such number could meet is refused.
    pub fn parse_within(text: &str, names: NumberNames<'_>, max: u64) -> Result<Self, String> {
        let test = Self::parse_with(text, names)?;
        if test.largest() > max {
            return Err(format!("`{}` is more than {max}, the most it can be", text.trim()));
        }
        if test == Self::Greater(max) {
            return Err(format!("nothing is greater than {max}, the most it can be"));
        }
        Ok(test)
    }

    /// Whether it holds for a number.
    pub fn holds(&self, number: u64) -> bool {
        match *self {
            Self::Equal(n) => number == n,
            Self::NotEqual(n) => number != n,
            Self::Less(n) => number < n,
            Self::LessOrEqual(n) => number <= n,
            Self::Greater(n) => number > n,
            Self::GreaterOrEqual(n) => number >= n,
            Self::Between(low, high) => low < number && number < high,
            Self::NotBetween(low, high) => number <= low || high <= number,
            Self::Bits { mask, value } => number & mask == value,
            Self::NotBits { mask, value } => number & mask != value,
        }
    }

    /// The answer for a size that only ever grows until it is complete. It is `Yes` as soon as the size so far holds, also for
    /// `<5` and `=5`: rules count on an early answer.
    pub fn verdict(&self, size_so_far: u64, complete: bool) -> Verdict {
        if self.holds(size_so_far) {
            return Verdict::Yes;
        }
        let may_hold_later = match *self {
            Self::Equal(n) => size_so_far < n,
            Self::Between(_, high) => size_so_far < high,
            Self::Less(_) | Self::LessOrEqual(_) => false,
            _ => true,
        };
        if complete || !may_hold_later { Verdict::No } else { Verdict::NotYet }
    }

    /// The only number for which it holds, where there is just one.
    pub fn exact(&self) -> Option<u64> {
        match *self {
            Self::Equal(n) => Some(n),
            Self::Less(1) | Self::LessOrEqual(0) => Some(0),
            Self::Between(low, high) if high.checked_sub(low) == Some(2) => low.checked_add(1),
            _ => None,
        }
    }

    /// Smallest and largest number for which it can hold, both included.
    pub fn bounds(&self) -> (u64, u64) {
        match *self {
            Self::Equal(n) => (n, n),
            Self::Less(n) => (0, n.saturating_sub(1)),
            Self::LessOrEqual(n) => (0, n),
            Self::Greater(n) => (n.saturating_add(1), u64::MAX),
            Self::GreaterOrEqual(n) => (n, u64::MAX),
            Self::Between(low, high) => (low.saturating_add(1), high.saturating_sub(1)),
            Self::NotEqual(_) | Self::NotBetween(..) | Self::Bits { .. } | Self::NotBits { .. } => (0, u64::MAX),
        }
    }

    fn parse_positive(text: &str, names: NumberNames<'_>) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix('&') {
            let (mask, value) = rest
                .split_once('=')
                .ok_or_else(|| format!("`{text}` needs a value after its mask, such as `&0x0f=0x01`"))?;
            let (mask, unequal) = mask.strip_suffix('!').map_or((mask, false), |mask| (mask, true));
            let (mask, value) = (number(mask, names)?, number(value, names)?);
            let test = Self::Bits { mask, value };
            return Ok(if unequal { test.negated() } else { test });
        }
        if let Some((low, high)) = text.split_once("<>") {
            return Self::between(text, number(low, names)?, number(high, names)?);
        }
        match number(text, names) {
            Ok(number) => Ok(Self::Equal(number)),
            Err(fault) => {
                // Any dash may be the one between two names that have dashes themselves.
                let parts = text.match_indices('-').filter_map(|(at, _)| {
                    let (low, high) = (text.get(..at)?, text.get(at + 1..)?);
                    Some((number(low, names).ok()?, number(high, names).ok()?))
                });
                let (low, high) = parts.take(1).next().ok_or(fault)?;
                Self::between(text, low, high)
            }
        }
    }

    fn between(text: &str, low: u64, high: u64) -> Result<Self, String> {
        // The ends do not count, so that something must be left between them.
        if high.saturating_sub(low) < 2 {
            return Err(format!("there is no number within `{text}`"));
        }
        Ok(Self::Between(low, high))
    }

    fn negated(self) -> Self {
        match self {
            Self::Equal(n) => Self::NotEqual(n),
            Self::NotEqual(n) => Self::Equal(n),
            Self::Less(n) => Self::GreaterOrEqual(n),
            Self::LessOrEqual(n) => Self::Greater(n),
            Self::Greater(n) => Self::LessOrEqual(n),
            Self::GreaterOrEqual(n) => Self::Less(n),
            Self::Between(low, high) => Self::NotBetween(low, high),
            Self::NotBetween(low, high) => Self::Between(low, high),
            Self::Bits { mask, value } => Self::NotBits { mask, value },
            Self::NotBits { mask, value } => Self::Bits { mask, value },
        }
    }

    fn is_possible(&self) -> bool {
        !matches!(*self, Self::Less(0) | Self::Greater(u64::MAX))
    }

    /// The largest number that it can hold for, if there is one.
    pub fn most(&self) -> Option<u64> {
        match *self {
            Self::Equal(n) | Self::LessOrEqual(n) => Some(n),
            Self::Less(n) | Self::Between(_, n) => Some(n.saturating_sub(1)),
            _ => None,
        }
    }

    fn largest(&self) -> u64 {
        match *self {
            Self::Equal(n)
            | Self::NotEqual(n)
            | Self::Less(n)
            | Self::LessOrEqual(n)
            | Self::Greater(n)
            | Self::GreaterOrEqual(n) => n,
            Self::Between(_, high) | Self::NotBetween(_, high) => high,
            Self::Bits { mask, value } | Self::NotBits { mask, value } => mask.max(value),
        }
    }
}

/// Longer signs before those that they start with.
type Comparison = (&'static str, fn(u64) -> NumberTest);
const COMPARISONS: &[Comparison] = &[
    ("!=", NumberTest::NotEqual),
    ("<=", NumberTest::LessOrEqual),
    (">=", NumberTest::GreaterOrEqual),
    ("<", NumberTest::Less),
    (">", NumberTest::Greater),
    ("=", NumberTest::Equal),
];

fn named(text: &str, names: NumberNames<'_>) -> Option<u64> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|&(_, number)| number)
}

fn number(text: &str, names: NumberNames<'_>) -> Result<u64, String> {
    let text = text.trim();
    let fault = || match names.is_empty() {
        true => format!("`{text}` is not a number"),
        false => format!("`{text}` is neither a number nor a known name"),
    };
    if let Some(number) = named(text, names) {
        return Ok(number);
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let digits_only = digits.bytes().all(|b| b.is_ascii_hexdigit());
        return Some(digits).filter(|_| digits_only).and_then(|d| u64::from_str_radix(d, 16).ok()).ok_or_else(fault);
    }
    tapwire_parsers::protocol::parse_size(text).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_answers() {
        let table: &[(&str, &[u64], &[u64])] = &[
            ("5", &[5], &[4, 6]),
            ("=5", &[5], &[4, 6]),
            (" 0x1F ", &[31], &[30]),
            ("!5", &[4, 6], &[5]),
            ("!=5", &[4, 6], &[5]),
            ("! 5", &[4], &[5]),
            ("<5", &[0, 4], &[5]),
            ("< 5", &[4], &[5]),
            ("<=5", &[5], &[6]),
            (">5", &[6, u64::MAX], &[5]),
            (">=5", &[5], &[4]),
            ("1<>5", &[2, 4], &[1, 5]),
            ("1 <> 5", &[2, 4], &[1, 5]),
            ("1-5", &[2, 4], &[1, 5]),
            ("!1-5", &[1, 5, 9], &[2, 4]),
            ("!1<>5", &[1, 5, 9], &[2, 4]),
            ("&0x0f=0x05", &[0x05, 0xf5], &[0x06]),
            ("!&0x0f=0x05", &[0x06], &[0x15]),
            ("&0x0f!=0x05", &[0x06], &[0x15]),
            ("2kb", &[2048], &[2000]),
            (">1MB", &[1_048_577], &[1_048_576]),
        ];
        for (text, yes, no) in table {
            let test = NumberTest::parse(text).unwrap();
            for number in *yes {
                assert!(test.holds(*number), "{text} {number}");
            }
            for number in *no {
                assert!(!test.holds(*number), "{text} {number}");
            }
        }
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        for text in [
            "",
            "x",
            "<",
            "5-",
            "-5",
            "5<>",
            "1<>2",
            "5<>1",
            "0x",
            "0x+1",
            "+5",
            "<0",
            "&5",
            "5 6",
            "1--5",
            "==5",
            "9q",
            "<>5",
            "99999999999999999999",
        ] {
            assert!(NumberTest::parse(text).is_err(), "{text}");
        }
        assert!(NumberTest::parse_within("256", &[], 255).is_err());
        assert!(NumberTest::parse_within(">255", &[], 255).is_err());
        assert!(NumberTest::parse_within("<=255", &[], 255).is_ok());
    }

    #[test]
    fn names_stand_for_numbers() {
        let names = [("client-hello", 1), ("server-hello", 2), ("done", 9)];
        for (text, test) in [
            ("done", NumberTest::Equal(9)),
            ("!Client-Hello", NumberTest::NotEqual(1)),
            (">=server-hello", NumberTest::GreaterOrEqual(2)),
            ("client-hello-done", NumberTest::Between(1, 9)),
            ("3", NumberTest::Equal(3)),
        ] {
            assert_eq!(NumberTest::parse_with(text, &names), Ok(test), "{text}");
        }
        assert!(NumberTest::parse_with("hello", &names).is_err());
    }

    #[test]
    fn a_growing_size_is_answered_as_early_as_can_be() {
        use Verdict::{No, NotYet, Yes};
        for (text, size, complete, verdict) in [
            ("10", 5, false, NotYet),
            ("10", 5, true, No),
            ("10", 10, false, Yes),
            ("10", 11, false, No),
            ("<10", 5, false, Yes),
            ("<10", 10, false, No),
            (">10", 10, false, NotYet),
            (">10", 10, true, No),
            (">10", 11, false, Yes),
            ("5<>10", 5, false, NotYet),
            ("5<>10", 6, false, Yes),
            ("5<>10", 10, false, No),
            ("!10", 10, false, NotYet),
            ("!10", 10, true, No),
        ] {
            assert_eq!(NumberTest::parse(text).unwrap().verdict(size, complete), verdict, "{text} {size} {complete}");
        }
    }

    #[test]
    fn bounds_hold_all_numbers_for_which_it_holds() {
        for (text, bounds, exact) in [
            ("5", (5, 5), Some(5)),
            ("<5", (0, 4), None),
            (">5", (6, u64::MAX), None),
            ("3<>5", (4, 4), Some(4)),
            ("!5", (0, u64::MAX), None),
        ] {
            let test = NumberTest::parse(text).unwrap();
            assert_eq!((test.bounds(), test.exact()), (bounds, exact), "{text}");
        }
    }
}
