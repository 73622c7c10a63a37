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
    limit_bytes: usize,
    drawn_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl Budget {
    /// A budget of which nothing is drawn; 0 means that there is no limit.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        let limit_bytes = if limit_bytes == 0 { usize::MAX } else { limit_bytes };
        Arc::new(Self { limit_bytes, drawn_bytes: AtomicUsize::new(0), peak_bytes: AtomicUsize::new(0) })
    }

    /// Bytes that accounts have drawn.
    pub fn drawn_bytes(&self) -> usize {
        self.drawn_bytes.load(Ordering::Relaxed)
    }

    /// How much of it is drawn, in percent.
    pub fn used_percent(&self) -> u64 {
        self.percent(self.drawn_bytes())
    }

    /// How much of it was drawn at most, in percent.
    pub fn peak_percent(&self) -> u64 {
        self.percent(self.peak_bytes.load(Ordering::Relaxed))
    }

    fn percent(&self, bytes: usize) -> u64 {
        u64::try_from(bytes as u128 * 100 / self.limit_bytes.max(1) as u128).unwrap_or(100)
    }

    fn draw(&self, bytes: usize) -> bool {
        let add = |drawn: usize| drawn.checked_add(bytes).filter(|sum| *sum <= self.limit_bytes);
        let drawn = self.drawn_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        if let Ok(before) = drawn {
            self.peak_bytes.fetch_max(before + bytes, Ordering::Relaxed);
        }
        drawn.is_ok()
    }

    fn put_back(&self, bytes: usize) {
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
        Self { budget, drawn_bytes: 0, used_bytes: 0 }
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

    /// Gives `bytes` back that were taken before.
    pub fn give(&mut self, bytes: usize) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
        let idle = self.drawn_bytes - self.used_bytes;
        if idle > 2 * PORTION_BYTES {
            self.budget.put_back(idle - PORTION_BYTES);
            self.drawn_bytes = self.used_bytes + PORTION_BYTES;
        }
    }

    /// Bytes taken and not given back.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }
}

impl Drop for Account {
    fn drop(&mut self) {
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
