//! What a host keeps of bytes that came twice.
//!
//! Hosts differ, and what is inspected must be what the host keeps. Which of the copies that counts is a property of its
//! operating system, which is configured by address.

use crate::decode::hosts::System;

/// Which copy counts where two segments that were both not yet in order cover the same bytes. The first copy of bytes that
/// were in order counts, except under [`Overlap::Last`] and [`Overlap::OldLinux`] until they are acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The first.
    First,
    /// The last.
    Last,
    /// The one that begins earlier, and the first if they begin together (BSD, Windows).
    #[default]
    Bsd,
    /// As [`Overlap::Bsd`], but of two that begin together the one that ends later (Linux).
    Linux,
    /// As [`Overlap::Bsd`], but of two that begin together the last (Linux before 2.6).
    OldLinux,
}

impl Overlap {
    /// What hosts of an operating system do.
    pub fn of(system: System) -> Self {
        match system {
            System::Linux => Overlap::Linux,
            System::OldLinux => Overlap::OldLinux,
            System::BsdRight | System::Solaris | System::OldSolaris => Overlap::Last,
            System::Hpux11 | System::Vista => Overlap::First,
            System::Unknown
            | System::Bsd
            | System::Irix
            | System::Hpux10
            | System::MacOs
            | System::Windows
            | System::Windows2k3 => Overlap::Bsd,
        }
    }

    /// Whether that depends on where the two begin and end.
    pub(super) fn compares(self) -> bool {
        !matches!(self, Overlap::First | Overlap::Last)
    }

    /// Whether the copy of the later segment counts. Both are given by start and end.
    pub(super) fn prefers_new(self, old: (u64, u64), new: (u64, u64)) -> bool {
        match self {
            Overlap::First => false,
            Overlap::Last => true,
            Overlap::Bsd => new.0 < old.0,
            Overlap::Linux => new.0 < old.0 || (new.0 == old.0 && new.1 > old.1),
            Overlap::OldLinux => new.0 <= old.0,
        }
    }
}
