//! Tests of flag bits written as letters: what `tcp.flags` and `fragbits` have in common.

/// A test of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BitTest {
    mode: Mode,
    bits: u8,
    mask: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Exactly,
    AtLeast,
    Any,
    NotAll,
}

impl BitTest {
    /// Reads letters with one modifier before or after them, and after a comma the bits that do not count.
    pub(super) fn parse(text: &str, letters: &[(char, u8)]) -> Result<Self, String> {
        let (wanted, ignored) = text.split_once(',').map_or((text, None), |(wanted, ignored)| (wanted, Some(ignored)));
        let wanted = wanted.trim();
        let (mode, wanted) = [('+', Mode::AtLeast), ('*', Mode::Any), ('!', Mode::NotAll)]
            .into_iter()
            .find_map(|(sign, mode)| Some((mode, wanted.strip_prefix(sign).or_else(|| wanted.strip_suffix(sign))?)))
            .unwrap_or((Mode::Exactly, wanted));
        let mask = match ignored {
            Some(ignored) => !read_bits(ignored.trim(), letters)?,
            None => u8::MAX,
        };
        Ok(Self { mode, bits: read_bits(wanted.trim(), letters)?, mask })
    }

    /// Whether it holds.
    pub(super) fn holds(self, flags: u8) -> bool {
        let flags = flags & self.mask;
        let common = flags & self.bits;
        match self.mode {
            Mode::Exactly => flags == self.bits,
            Mode::AtLeast => common == self.bits,
            Mode::Any => common != 0,
            Mode::NotAll => common != self.bits,
        }
    }
}

fn read_bits(text: &str, letters: &[(char, u8)]) -> Result<u8, String> {
    if text.is_empty() {
        return Err("no flag is named".into());
    }
    // `0` is the absence of all flags.
    if text == "0" {
        return Ok(0);
    }
    text.chars().try_fold(0, |bits, letter| {
        let found = letters.iter().find(|l| l.0 == letter.to_ascii_uppercase());
        found.map(|l| bits | l.1).ok_or_else(|| format!("`{letter}` is no flag"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_modifiers_and_masks_decide() {
        let letters = [('F', 1), ('S', 2), ('R', 4), ('A', 16), ('2', 64), ('1', 128)];
        for (text, yes, no) in [
            ("S", 2, 18),
            ("s", 2, 18),
            ("SA", 18, 2),
            ("S+", 18, 16),
            ("+S", 18, 16),
            ("SF*", 1, 16),
            ("!SA", 2, 18),
            ("S,12", 0xc2, 0x12),
            ("S, 12", 0xc2, 0x12),
            ("R,A", 0x14, 0x12),
            ("0", 0, 1),
        ] {
            let test = BitTest::parse(text, &letters).unwrap();
            assert!(test.holds(yes), "{text}");
            assert!(!test.holds(no), "{text}");
        }
        for text in ["", "X", "+", "S,", "S+*", "!!S", "S,X"] {
            assert!(BitTest::parse(text, &letters).is_err(), "{text}");
        }
    }
}
