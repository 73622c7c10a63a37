//! A bounded lock-free ring from one thread to another.
//!
//! The queue is crossbeam's; this adds waiting (spin, then sleep in short turns) and an end that both sides notice. Items are
//! batches, so that what a hand-over costs is shared by a thousand packets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::Backoff;

/// A sleep while there is nothing to do: short beside the time that a batch takes.
const NAP: Duration = Duration::from_micros(100);

struct Shared<T> {
    queue: ArrayQueue<T>,
    closed: AtomicBool,
}

/// The end that items are put into.
pub struct Sender<T>(Arc<Shared<T>>);

/// The end that items are taken from.
pub struct Receiver<T>(Arc<Shared<T>>);

/// A ring with room for `depth` items.
pub fn ring<T>(depth: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared { queue: ArrayQueue::new(depth.max(1)), closed: AtomicBool::new(false) });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

fn wait(backoff: &Backoff) {
    if backoff.is_completed() {
        std::thread::sleep(NAP);
    } else {
        backoff.snooze();
    }
}

impl<T> Sender<T> {
    /// Puts an item in, waiting for room; gives it back when nobody will take it.
    pub fn send(&self, mut item: T) -> Result<(), T> {
        let backoff = Backoff::new();
        loop {
            if self.0.closed.load(Ordering::Acquire) {
                return Err(item);
            }
            match self.0.queue.push(item) {
                Ok(()) => return Ok(()),
                Err(back) => item = back,
            }
            wait(&backoff);
        }
    }

    /// Puts an item in if there is room now.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        if self.0.closed.load(Ordering::Acquire) { Err(item) } else { self.0.queue.push(item) }
    }
}

impl<T> Receiver<T> {
    /// Takes an item, waiting for one; `None` when the other end is gone and nothing is left.
    pub fn recv(&self) -> Option<T> {
        let backoff = Backoff::new();
        loop {
            if let Some(item) = self.0.queue.pop() {
                return Some(item);
            }
            if self.0.closed.load(Ordering::Acquire) {
                // An item may have come between the look and the end.
                return self.0.queue.pop();
            }
            wait(&backoff);
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_arrive_in_order_and_all() {
        let (sender, receiver) = ring(4);
        let thread = std::thread::spawn(move || (0..10_000).for_each(|n| sender.send(n).unwrap()));
        let got: Vec<i32> = std::iter::from_fn(|| receiver.recv()).collect();
        thread.join().unwrap();
        assert!(got.iter().copied().eq(0..10_000));
    }

    #[test]
    fn a_ring_without_a_receiver_gives_items_back() {
        let (sender, receiver) = ring(1);
        drop(receiver);
        assert_eq!(sender.send(7), Err(7));
    }
}
