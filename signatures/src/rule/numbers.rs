//! Tests of lists of numbers: `1`, `1,all`, `1,0`, `1,-1`, `1,nb>2` (one number test and which members of the list it is about).

use super::number::{NumberNames, NumberTest};

/// A test of a list of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumbersTest {
    /// What a member is tested for.
    pub test: NumberTest,
    /// Which members count.
    pub members: Members,
}

/// Which members of a list a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// One of them is enough.
    Any,
    /// One of them is enough, and so is an empty list.
    AnyOrAbsent,
    /// All of them (and so an empty list holds).
    All,
    /// All of them, and there is at least one.
    AllOfSome,
    /// The one at a position from the start.
    FromStart(usize),
    /// The one at a position from the end, where 0 is the last.
    FromEnd(usize),
    /// So many of them.
    Number(NumberTest),
}

impl NumbersTest {
    /// Reads a test of numbers that are at most `max`.
    pub fn parse(text: &str, names: NumberNames<'_>, max: u64) -> Result<Self, String> {
        let (test, members) = match text.split_once(',') {
            Some((test, members)) => (test, Members::parse(members.trim())?),
            None => (text, Members::Any),
        };
        Ok(Self { test: NumberTest::parse_within(test, names, max)?, members })
    }

    /// Whether it holds for a list.
    pub fn holds(&self, mut numbers: impl Iterator<Item = u64>) -> bool {
        let test = |number: u64| self.test.holds(number);
        match self.members {
            Members::Any => numbers.any(test),
            Members::AnyOrAbsent => {
                let mut numbers = numbers.peekable();
                numbers.peek().is_none() || numbers.any(test)
            }
            Members::All => numbers.all(test),
            Members::AllOfSome => {
                let mut numbers = numbers.peekable();
                numbers.peek().is_some() && numbers.all(test)
            }
            Members::FromStart(at) => numbers.nth(at).is_some_and(test),
            Members::FromEnd(back) => {
                let numbers: Vec<u64> = numbers.collect();
                numbers.iter().rev().nth(back).copied().is_some_and(test)
            }
            Members::Number(wanted) => wanted.holds(numbers.filter(|&n| test(n)).count() as u64),
        }
    }
}

impl Members {
    fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "`{text}` says no members of a list: use any, all, all1, or_absent, nb with a number, or a position"
            )
        };
        if let Some(wanted) = text.strip_prefix("nb") {
            return NumberTest::parse(wanted).map(Self::Number);
        }
        match text {
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            "all1" => Ok(Self::AllOfSome),
            "or_absent" => Ok(Self::AnyOrAbsent),
            _ => {
                let position: i32 = text.parse().map_err(|_| fault())?;
                let distance = usize::try_from(position.unsigned_abs()).map_err(|_| fault())?;
                Ok(if position < 0 { Self::FromEnd(distance.saturating_sub(1)) } else { Self::FromStart(distance) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_tested_by_the_members_asked_for() {
        let table: &[(&str, &[u64], bool)] = &[
            ("1", &[2, 1], true),
            ("1", &[], false),
            ("1,any", &[2, 1], true),
            ("1,or_absent", &[], true),
            ("1,or_absent", &[2], false),
            ("1,all", &[1, 1], true),
            ("1,all", &[1, 2], false),
            ("1,all", &[], true),
            ("1,all1", &[], false),
            ("1,0", &[1, 2], true),
            ("1, 1", &[1, 2], false),
            ("1,-1", &[2, 1], true),
            ("1,-2", &[2, 1], false),
            ("1,-9", &[1], false),
            ("!2,nb>1", &[1, 3, 2], true),
            ("!2,nb 3", &[1, 3, 2], false),
        ];
        for (text, list, holds) in table {
            assert_eq!(
                NumbersTest::parse(text, &[], u64::MAX).unwrap().holds(list.iter().copied()),
                *holds,
                "{text} {list:?}"
            );
        }
        for text in ["1,", "1,some", "1,nb", "x,all"] {
            assert!(NumbersTest::parse(text, &[], u64::MAX).is_err(), "{text}");
        }
    }
}
