//! A bounded ring from one thread to another.
//!
//! The queue itself is crossbeam's, without locks. Who finds it full or empty spins for a moment and then sleeps until the
//! other side wakes it, so that an idle sensor uses no processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
use crossbeam::sync::{Parker, Unparker};
use crossbeam::utils::Backoff;

/// A ring for `depth` values.
pub fn ring<T>(depth: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = (Parker::new(), Parker::new());
    let (to_sender, to_receiver) = (sender.unparker().clone(), receiver.unparker().clone());
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(depth.max(1)),
        sender_sleeps: AtomicBool::new(false),
        receiver_sleeps: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    });
    let sender = Sender { shared: Arc::clone(&shared), own: sender, other: to_receiver };
    (sender, Receiver { shared, own: receiver, other: to_sender })
}

/// The end that values are put into. Dropping it closes the ring.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
    own: Parker,
    other: Unparker,
}

/// The end that values are taken out of. Dropping it closes the ring.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    own: Parker,
    other: Unparker,
}

/// A value that did not go into a ring.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// There is no room.
    Full(T),
    /// Nobody will take it out.
    Closed(T),
}

/// What came out of a ring within a time.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// A value.
    Value(T),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    Closed,
}

#[derive(Debug)]
struct Shared<T> {
    queue: ArrayQueue<T>,
    sender_sleeps: AtomicBool,
    receiver_sleeps: AtomicBool,
    closed: AtomicBool,
}

impl<T> Sender<T> {
    /// Puts a value in, and waits for room if there is none. The value comes back if nobody will take it out.
    pub fn send(&mut self, mut value: T) -> Result<(), T> {
        loop {
            match self.try_send(value) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed(value)) => return Err(value),
                Err(Refused::Full(refused)) => value = refused,
            }
            let shared = &self.shared;
            wait(&self.own, &shared.sender_sleeps, None, || !shared.queue.is_full() || shared.is_closed());
        }
    }

    /// Puts a value in, if there is room.
    pub fn try_send(&mut self, value: T) -> Result<(), Refused<T>> {
        if self.shared.is_closed() {
            return Err(Refused::Closed(value));
        }
        self.shared.queue.push(value).map_err(Refused::Full)?;
        wake(&self.other, &self.shared.receiver_sleeps);
        Ok(())
    }

    /// Whether a value would find room: only this end can change that.
    pub fn has_room(&self) -> bool {
        !self.shared.queue.is_full()
    }

    /// How many values are in it.
    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }

    /// Whether there are none in it.
    pub fn is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }

    /// Whether nobody will take values out.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

impl<T> Receiver<T> {
    /// How many values are in it.
    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }

    /// Whether there are none in it.
    pub fn is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }

    /// Takes the oldest value out, and waits for one if there is none; nothing once the other end is gone and all are out.
    pub fn recv(&mut self) -> Option<T> {
        loop {
            match self.take(None) {
                Received::Value(value) => return Some(value),
                Received::Nothing => {}
                Received::Closed => return None,
            }
        }
    }

    /// The same, for a time at most.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Received<T> {
        self.take(Some(timeout))
    }

    /// Takes the oldest value out, if there is one.
    pub fn try_recv(&mut self) -> Option<T> {
        let value = self.shared.queue.pop()?;
        wake(&self.other, &self.shared.sender_sleeps);
        Some(value)
    }

    fn take(&mut self, timeout: Option<Duration>) -> Received<T> {
        for last in [false, true] {
            // What was put in before the end was closed is still there.
            let closed = self.shared.is_closed();
            if let Some(value) = self.try_recv() {
                return Received::Value(value);
            }
            if closed {
                return Received::Closed;
            }
            if !last {
                let shared = &self.shared;
                wait(&self.own, &shared.receiver_sleeps, timeout, || !shared.queue.is_empty() || shared.is_closed());
            }
        }
        Received::Nothing
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.other.unpark();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.other.unpark();
    }
}

impl<T> Shared<T> {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// Waits until something holds that the other side changes before it calls [`wake`], or for a time at most.
fn wait(own: &Parker, sleeps: &AtomicBool, timeout: Option<Duration>, holds: impl Fn() -> bool) {
    let backoff = Backoff::new();
    while !backoff.is_completed() {
        if holds() {
            return;
        }
        backoff.snooze();
    }
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        sleeps.store(true, Ordering::SeqCst);
        // Either this side sees what the other one changed, or that one sees that this side sleeps.
        fence(Ordering::SeqCst);
        if holds() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            sleeps.store(false, Ordering::SeqCst);
            return;
        }
        match deadline {
            Some(deadline) => own.park_deadline(deadline),
            None => own.park(),
        }
    }
}

/// Wakes the other side, if it sleeps.
fn wake(other: &Unparker, sleeps: &AtomicBool) {
    fence(Ordering::SeqCst);
    if sleeps.load(Ordering::SeqCst) && sleeps.swap(false, Ordering::SeqCst) {
        other.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn values_come_out_in_order_and_none_is_lost() {
        for depth in [1, 2, 64] {
            let (mut sender, mut receiver) = ring(depth);
            let writer = thread::spawn(move || (0..20_000u32).try_for_each(|value| sender.send(value)));
            let mut expected = 0;
            while let Some(value) = receiver.recv() {
                assert_eq!(value, expected);
                expected += 1;
            }
            assert_eq!(expected, 20_000);
            writer.join().unwrap().unwrap();
        }
    }

    #[test]
    fn a_full_ring_refuses_and_a_slow_reader_is_waited_for() {
        let (mut sender, mut receiver) = ring(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert!(!sender.has_room());
        assert_eq!(sender.try_send(3), Err(Refused::Full(3)));
        let reader = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            [receiver.recv(), receiver.recv(), receiver.recv(), receiver.recv()]
        });
        sender.send(3).unwrap();
        drop(sender);
        assert_eq!(reader.join().unwrap(), [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn either_end_closes_the_ring() {
        let (mut sender, receiver) = ring(1);
        sender.send(1).unwrap();
        let closing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            drop(receiver);
        });
        assert_eq!(sender.send(2), Err(2), "it waited for room, and nobody is left to make some");
        assert_eq!(sender.try_send(3), Err(Refused::Closed(3)));
        closing.join().unwrap();

        let (sender, mut receiver) = ring::<u8>(1);
        let closing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            drop(sender);
        });
        assert_eq!(receiver.recv(), None);
        closing.join().unwrap();
    }

    #[test]
    fn waiting_ends_with_the_time() {
        let (mut sender, mut receiver) = ring(1);
        assert_eq!(receiver.recv_timeout(Duration::from_millis(5)), Received::Nothing);
        sender.send(7).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_millis(5)), Received::Value(7));
        drop(sender);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Received::Closed);
    }

    #[test]
    fn sleepers_are_always_woken() {
        // Each side sleeps nearly every time, as the other one answers only after a while.
        let (mut there, mut there_end) = ring(1);
        let (mut back, mut back_end) = ring(1);
        let echo = thread::spawn(move || {
            while let Some(value) = there_end.recv() {
                thread::sleep(Duration::from_micros(value % 300));
                if back.send(value).is_err() {
                    return;
                }
            }
        });
        for value in 0..2_000u64 {
            there.send(value).unwrap();
            assert_eq!(back_end.recv(), Some(value));
        }
        drop(there);
        echo.join().unwrap();
    }
}
