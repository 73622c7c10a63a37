//! What every way out is asked: to send some records, and to say of each what the receiver did with it.

use std::borrow::Cow;
use std::time::Duration;

use super::head::Head;

/// A record on its way.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// What is sent, without an end of line.
    pub body: &'a [u8],
    /// The record as it is stored.
    pub line: &'a [u8],
    /// What it says of itself.
    pub head: Head<'a>,
    /// What tells it apart from all others, so that a receiver knows one that comes twice.
    pub id: Cow<'a, str>,
}

/// What became of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// Nothing was said of it: it is sent again.
    #[default]
    Open,
    /// The receiver has it, or had it before.
    Delivered,
    /// The receiver will not have it, in its own words.
    Refused(String),
}

/// Why nothing more can be sent at the moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The receiver cannot be reached, or wants none now, whatever is sent.
    #[error("{words}")]
    Away {
        /// What is wrong.
        words: String,
        /// When the receiver wants to be asked again.
        after: Option<Duration>,
    },
    /// The receiver refuses what was sent together; one of them may be the reason.
    #[error("{0}")]
    Refused(String),
}

impl Trouble {
    /// The receiver cannot be reached.
    pub fn away(words: impl Into<String>) -> Self {
        Self::Away { words: words.into(), after: None }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::away(match error.kind() {
            // What the system says of a timeout of a socket helps nobody.
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => "it does not answer in time".to_owned(),
            std::io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
            _ => error.to_string(),
        })
    }
}

/// A way out.
pub trait Transport {
    /// Sends records; `answers` has a place for each, which is [`Answer::Open`] before.
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble>;
}

/// A session with a receiver, which is kept from one sending to the next, until something fails.
#[derive(Debug)]
pub(super) struct Kept<S>(Option<S>);

impl<S> Default for Kept<S> {
    fn default() -> Self {
        Self(None)
    }
}

impl<S> Kept<S> {
    /// Sends in the session, or in a new one if there is none.
    pub(super) fn send_in(
        &mut self,
        open: impl FnOnce() -> Result<S, Trouble>,
        send: impl FnOnce(&mut S) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut session = self.0.take().map_or_else(open, Ok)?;
        send(&mut session)?;
        self.0 = Some(session);
        Ok(())
    }
}

/// Records as so many may be on their way at once, with the places of their answers.
pub(super) fn windows<'s, 'i>(
    items: &'s [Item<'i>],
    answers: &'s mut [Answer],
    size: usize,
) -> impl Iterator<Item = (&'s [Item<'i>], &'s mut [Answer])> {
    items.chunks(size).zip(answers.chunks_mut(size))
}

/// Says of all that nothing was said of so far that they were delivered.
pub(super) fn all_delivered(answers: &mut [Answer]) {
    answers.iter_mut().filter(|answer| **answer == Answer::Open).for_each(|answer| *answer = Answer::Delivered);
}

/// Says what became of one.
pub(super) fn set(answers: &mut [Answer], place: usize, answer: Answer) {
    if let Some(open) = answers.get_mut(place) {
        *open = answer;
    }
}

#[cfg(test)]
impl<'a> Item<'a> {
    /// A record as it is stored.
    pub(super) fn of(line: &'a [u8]) -> Self {
        let head = Head::of(line);
        let id = Cow::Owned(head.id().unwrap_or("none").to_owned());
        Self { body: line, line, head, id }
    }
}
