//! What the thread of an output writes to: one file, pipe or device, or the segments of the log.

use std::io;

use super::backlog::News;
use super::log::{Figures, Segments};
use super::piece::{Lane, Piece};
use super::target::Target;
use crate::capture::clock;

/// Where pieces go.
pub trait Medium: Send {
    /// Where that is.
    fn name(&self) -> String;

    /// Writes a piece whole. After an error nothing of it counts as written, unless it is halfway.
    fn write(&mut self, piece: &Piece) -> io::Result<()>;

    /// Makes everything that was written survive a crash.
    fn sync(&mut self) -> io::Result<()>;

    /// Opens again what may help after a fault.
    fn renew(&mut self) -> io::Result<()>;

    /// Begins a new file, as somebody asks who has moved the old one.
    fn reopen(&mut self) -> io::Result<()>;

    /// What is to be told of it since this was last asked.
    fn take_news(&mut self) -> Vec<News>;

    /// Does what is due besides, a little of it; whether there is more.
    fn tick(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Whether it took a part of a piece, which goes on with [`Self::go_on`].
    fn is_halfway(&self) -> bool {
        false
    }

    /// Writes the rest of a piece.
    fn go_on(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Counts of it, if it is the log.
    fn figures(&self) -> Option<Figures> {
        None
    }

    /// It is ended well.
    fn close(&mut self) -> io::Result<()> {
        self.sync()
    }
}

impl Medium for Target {
    fn name(&self) -> String {
        self.pattern().display().to_string()
    }

    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        Self::write(self, piece.text())
    }

    fn sync(&mut self) -> io::Result<()> {
        Self::sync(self)
    }

    fn renew(&mut self) -> io::Result<()> {
        Self::renew(self)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.begin_anew(clock::now())
    }

    fn tick(&mut self) -> io::Result<bool> {
        self.rotate_if_due(clock::now()).map(|()| false)
    }

    fn take_news(&mut self) -> Vec<News> {
        self.take_notes().into_iter().map(News::Note).collect()
    }

    fn is_halfway(&self) -> bool {
        Self::is_halfway(self)
    }

    fn go_on(&mut self) -> io::Result<()> {
        Self::go_on(self)
    }
}

impl Medium for Segments {
    fn name(&self) -> String {
        self.path().join("eve-*.json.zst").display().to_string()
    }

    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        // Where others are among them, the alerts come again by themselves if the disk has no room.
        let is_urgent = piece.has(Lane::Alerts) && !piece.has(Lane::Others) && !piece.has(Lane::Flows);
        Self::write(self, piece.text(), is_urgent, clock::now())
    }

    fn sync(&mut self) -> io::Result<()> {
        Self::sync(self)
    }

    fn renew(&mut self) -> io::Result<()> {
        self.look(clock::now())
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.rotate(clock::now())
    }

    fn take_news(&mut self) -> Vec<News> {
        let notes: Vec<News> = self.take_notes().into_iter().map(News::Note).collect();
        let missed = self.take_gone().into_iter().flat_map(|gone| gone.missed);
        notes.into_iter().chain(missed.map(|(sink, missed)| News::Missed(sink, missed))).collect()
    }

    fn tick(&mut self) -> io::Result<bool> {
        Self::tick(self, clock::now())
    }

    fn figures(&self) -> Option<Figures> {
        Some(Self::figures(self))
    }

    fn close(&mut self) -> io::Result<()> {
        self.rotate(clock::now())
    }
}
