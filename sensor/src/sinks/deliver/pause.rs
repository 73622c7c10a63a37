//! How long to wait before something is tried again: twice as long each time up to a limit, and by chance a part of it, so that many
//! sensors do not come back to a receiver all at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Longer than that nobody is waited for, whatever a receiver asks.
const ASKED_LONGEST: Duration = Duration::from_secs(300);

/// The pauses of a sink.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Pause {
    /// The next pause; at least what the receiver asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        let mut chance = [0; 4];
        // Without chance the whole pause is kept.
        let share = getrandom::fill(&mut chance).map_or(u32::MAX, |()| u32::from_le_bytes(chance));
        let half = whole / 2;
        let pause = half + half.mul_f64(f64::from(share) / f64::from(u32::MAX));
        pause.max(asked.unwrap_or_default().min(ASKED_LONGEST))
    }

    /// It went well.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_heed_what_is_asked() {
        let mut pause = Pause::default();
        let mut whole = FIRST;
        for _ in 0..12 {
            let next = pause.next(None);
            assert!(next >= whole / 2 && next <= whole, "{next:?} of {whole:?}");
            whole = (whole * 2).min(LONGEST);
        }
        assert!(pause.next(Some(Duration::from_secs(60))) == Duration::from_secs(60));
        assert!(pause.next(Some(Duration::from_secs(86_400))) == ASKED_LONGEST);
        pause.reset();
        assert!(pause.next(None) <= FIRST);
    }
}
