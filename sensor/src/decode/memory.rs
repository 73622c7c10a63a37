//! One budget for what several tables keep, and the account of one table with it.
//!
//! An account draws from the budget in large portions, so that workers seldom touch the shared counter. What an account
//! has drawn and not used is still charged to the budget: the limit is never passed, and reached at most one portion for
//! each account early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that several tables may keep together.
#[derive(Debug)]
pub struct Budget {
    /// What it is a part of.
    whole: Option<Arc<Budget>>,
    limit_bytes: usize,
    drawn_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
    accounts: AtomicUsize,
}

impl Budget {
    /// A budget of which nothing is drawn; 0 means that there is no limit.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Self::part(limit_bytes, None)
    }

    /// The same as a part of another budget, from which it is drawn as well.
    pub fn part(limit_bytes: usize, whole: Option<Arc<Budget>>) -> Arc<Self> {
        let limit_bytes = if limit_bytes == 0 { usize::MAX } else { limit_bytes };
        let [drawn_bytes, peak_bytes, accounts] = [const { AtomicUsize::new(0) }; 3];
        Arc::new(Self { whole, limit_bytes, drawn_bytes, peak_bytes, accounts })
    }

    /// Bytes that accounts have drawn.
    pub fn drawn_bytes(&self) -> usize {
        self.drawn_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that accounts may draw.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// How much of it, or of what it is a part of, is drawn, in percent.
    pub fn used_percent(&self) -> u64 {
        let whole = self.whole.as_ref().map_or(0, |whole| whole.used_percent());
        self.percent(self.drawn_bytes()).max(whole)
    }

    /// How much of it, or of what it is a part of, was drawn at most, in percent.
    pub fn peak_percent(&self) -> u64 {
        let whole = self.whole.as_ref().map_or(0, |whole| whole.peak_percent());
        self.percent(self.peak_bytes.load(Ordering::Relaxed)).max(whole)
    }

    fn percent(&self, bytes: usize) -> u64 {
        u64::try_from(bytes as u128 * 100 / self.limit_bytes.max(1) as u128).unwrap_or(100)
    }

    /// Takes `bytes` if it has them.
    pub(crate) fn draw(&self, bytes: usize) -> bool {
        if self.whole.as_ref().is_some_and(|whole| !whole.draw(bytes)) {
            return false;
        }
        let add = |drawn: usize| drawn.checked_add(bytes).filter(|sum| *sum <= self.limit_bytes);
        let drawn = self.drawn_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        match (drawn, &self.whole) {
            (Ok(before), _) => {
                self.peak_bytes.fetch_max(before + bytes, Ordering::Relaxed);
            }
            (Err(_), Some(whole)) => whole.put_back(bytes),
            (Err(_), None) => {}
        }
        drawn.is_ok()
    }

    /// Takes `bytes` that are there already, whether it has them or not.
    fn overdraw(&self, bytes: usize) {
        if let Some(whole) = &self.whole {
            whole.overdraw(bytes);
        }
        let before = self.drawn_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.peak_bytes.fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
    }

    /// Whether more is drawn than it has, of itself or of what it is a part of.
    fn is_overdrawn(&self) -> bool {
        self.drawn_bytes() > self.limit_bytes || self.whole.as_ref().is_some_and(|whole| whole.is_overdrawn())
    }

    /// What an account may have of it when all want the same.
    fn share_bytes(&self) -> usize {
        self.limit_bytes / self.accounts.load(Ordering::Relaxed).max(1)
    }

    fn has_itself(&self, bytes: usize) -> bool {
        self.drawn_bytes().checked_add(bytes).is_some_and(|sum| sum <= self.limit_bytes)
    }

    fn has(&self, bytes: usize) -> bool {
        self.has_itself(bytes) && self.whole.as_ref().is_none_or(|whole| whole.has(bytes))
    }

    /// Gives back what was taken.
    pub(crate) fn put_back(&self, bytes: usize) {
        if let Some(whole) = &self.whole {
            whole.put_back(bytes);
        }
        self.drawn_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one table has of a budget.
#[derive(Debug)]
pub struct Account {
    budget: Arc<Budget>,
    drawn_bytes: usize,
    used_bytes: usize,
}

impl Account {
    /// An account that has drawn nothing.
    pub fn new(budget: Arc<Budget>) -> Self {
        budget.accounts.fetch_add(1, Ordering::Relaxed);
        Self { budget, drawn_bytes: 0, used_bytes: 0 }
    }

    /// Whether `bytes` can be taken now.
    pub fn has(&self, bytes: usize) -> bool {
        let wanted = self.used_bytes.saturating_add(bytes);
        wanted <= self.drawn_bytes || self.budget.has(wanted - self.drawn_bytes)
    }

    /// Bytes of the whole budget.
    pub fn limit_bytes(&self) -> usize {
        self.budget.limit_bytes
    }

    /// Whether `bytes` cannot be taken even if everything else gave back what it has of the whole.
    pub fn is_at_own_limit(&self, bytes: usize) -> bool {
        let wanted = self.used_bytes.saturating_add(bytes);
        wanted > self.drawn_bytes && !self.budget.has_itself(wanted - self.drawn_bytes)
    }

    /// How much of the budget is drawn, in percent.
    pub fn budget_percent(&self) -> u64 {
        self.budget.used_percent()
    }

    /// Takes `bytes` if the budget has them.
    pub fn take(&mut self, bytes: usize) -> bool {
        let Some(wanted) = self.used_bytes.checked_add(bytes) else { return false };
        if wanted > self.drawn_bytes {
            let missing = wanted - self.drawn_bytes;
            let portion = missing.max(PORTION_BYTES);
            if self.budget.draw(portion) {
                self.drawn_bytes += portion;
            } else if self.budget.draw(missing) {
                self.drawn_bytes += missing;
            } else {
                return false;
            }
        }
        self.used_bytes = wanted;
        true
    }

    /// Takes `bytes` that are there already, whether the budget has them or not: it is overdrawn until as much is given back, here
    /// or elsewhere.
    pub fn take_anyway(&mut self, bytes: usize) {
        if !self.take(bytes) {
            self.used_bytes = self.used_bytes.saturating_add(bytes);
            let missing = self.used_bytes - self.drawn_bytes;
            self.budget.overdraw(missing);
            self.drawn_bytes += missing;
        }
    }

    /// What is to be done where more is drawn than there is.
    pub fn overdraft(&self) -> Overdraft {
        if !self.budget.is_overdrawn() {
            return Overdraft::None;
        }
        let share = self.budget.share_bytes();
        match self.budget.drawn_bytes() > self.budget.limit_bytes {
            true if self.used_bytes > share => Overdraft::Own,
            // Who has more of it gives way at its next charge.
            true => Overdraft::None,
            false if self.used_bytes > share / RESERVED => Overdraft::Own,
            false => Overdraft::Others,
        }
    }

    /// Gives `bytes` back that were taken before.
    pub fn give(&mut self, bytes: usize) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
        let idle = self.drawn_bytes - self.used_bytes;
        if self.budget.is_overdrawn() {
            self.budget.put_back(idle);
            self.drawn_bytes = self.used_bytes;
        } else if idle > 2 * PORTION_BYTES {
            self.budget.put_back(idle - PORTION_BYTES);
            self.drawn_bytes = self.used_bytes + PORTION_BYTES;
        }
    }

    /// Bytes taken and not given back.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }
}

/// Who gives way where more is drawn than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdraft {
    /// There is enough, or another account has more than its share.
    None,
    /// The account: it has more than its share.
    Own,
    /// Other parts of the whole: this one has less than is kept for it.
    Others,
}

/// The part of a part that other parts of the whole make room for.
const RESERVED: usize = 4;

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.accounts.fetch_sub(1, Ordering::Relaxed);
        self.budget.put_back(self.drawn_bytes);
    }
}

const PORTION_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_accounts_share_one_limit() {
        let budget = Budget::new(1000);
        let (mut first, mut second) = (Account::new(budget.clone()), Account::new(budget.clone()));
        assert!(first.take(600));
        assert!(!second.take(600));
        assert!(second.take(400));
        assert!(!first.take(1));
        drop(second);
        assert!(first.take(400));
        assert_eq!(budget.drawn_bytes(), 1000);
    }

    #[test]
    fn who_has_more_than_a_share_gives_way() {
        let whole = Budget::new(1000);
        let part = Budget::part(800, Some(whole.clone()));
        let (mut a, mut b) = (Account::new(part.clone()), Account::new(part));
        a.take_anyway(700);
        assert_eq!((a.overdraft(), b.overdraft()), (Overdraft::None, Overdraft::None));
        b.take_anyway(200);
        assert_eq!((a.overdraft(), b.overdraft(), whole.drawn_bytes()), (Overdraft::Own, Overdraft::None, 900));
        a.give(100);
        assert_eq!((a.overdraft(), b.overdraft(), whole.drawn_bytes()), (Overdraft::None, Overdraft::None, 800));
        drop((a, b));
        // Another part has most of the whole.
        let part = || Account::new(Budget::part(800, Some(whole.clone())));
        let (mut a, mut other) = (part(), part());
        assert!(other.take(800));
        a.take_anyway(200);
        assert_eq!(a.overdraft(), Overdraft::None);
        a.take_anyway(1);
        assert_eq!(a.overdraft(), Overdraft::Own);
        a.give(1);
        whole.overdraw(1);
        assert_eq!(a.overdraft(), Overdraft::Others, "what is kept for it it need not give");
        whole.put_back(1);
        drop((a, other));
        assert_eq!(whole.drawn_bytes(), 0);
    }

    #[test]
    fn parts_share_a_whole() {
        let whole = Budget::new(1000);
        let (first, second) = (Budget::part(800, Some(whole.clone())), Budget::part(800, Some(whole.clone())));
        let (mut a, mut b) = (Account::new(first), Account::new(second));
        assert!(a.take(700) && !a.has(101) && !a.take(101));
        assert!(!b.take(400) && b.has(300) && b.take(300));
        assert!(a.is_at_own_limit(101) && !a.is_at_own_limit(100), "the whole has nothing, the part has 100");
        assert_eq!((whole.drawn_bytes(), a.budget_percent()), (1000, 100));
        drop(a);
        assert!(b.take(500) && !b.take(1));
        drop(b);
        assert_eq!(whole.drawn_bytes(), 0);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(1 << 20);
        let mut account = Account::new(budget.clone());
        for _ in 0..100 {
            assert!(account.take(1 << 20));
            account.give(1 << 20);
        }
        assert_eq!(account.used_bytes(), 0);
        assert!(budget.drawn_bytes() <= PORTION_BYTES);
    }
}
