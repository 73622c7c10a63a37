//! Work on many cores whose results come in order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam::channel;

/// Does `work` on each item, as many at once as are given or as there are cores, and tells the results in the items' order.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    at_once: Option<u16>,
    work: impl Fn(&T) -> R + Sync,
    mut tell: impl FnMut(R),
) {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = at_once.map_or_else(cores, usize::from).clamp(1, items.len().max(1));
    let next = AtomicUsize::new(0);
    let (done, results) = channel::bounded(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (done, next, work) = (done.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    if done.send((index, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (index, result) in results {
            early.insert(index, result);
            while let Some(result) = early.remove(&due) {
                tell(result);
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        let items: Vec<u64> = (0..40).collect();
        for at_once in [None, Some(1), Some(7)] {
            let mut told = Vec::new();
            let slow = |item: &u64| {
                thread::sleep(std::time::Duration::from_micros(500 * (item % 3)));
                item * 2
            };
            in_order(&items, at_once, slow, |result| told.push(result));
            assert_eq!(told, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
        in_order(&[], None, |(): &()| (), |()| panic!("there is nothing to tell"));
    }
}
