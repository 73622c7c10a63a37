//! What each thread of a live sensor may do, and nothing else.
//!
//! A run begins with the rights that it was started with, opens its sockets, and closes the doors ([`close`]): no capability is left and none can
//! be won again, no program can be started, nothing is written outside of the sensor's folders. Each thread then enters its role ([`enter`]), and
//! there is no way back out of it:
//!
//! | role | files | network | system calls |
//! |---|---|---|---|
//! | [`Role::Reader`] | `/sys`, to read | what was opened before | packets from sockets, questions about interfaces |
//! | [`Role::Worker`] | none | none | memory, waiting, a line on standard error |
//! | [`Role::ReadingWorker`] | none | what was opened before | the same, packets from sockets, questions about interfaces |
//! | [`Role::Writer`] | the folders that records go to | none | files |
//! | [`Role::Sender`] | those folders; certificates and the resolver's files, to read | connections outwards | files, sockets |
//! | [`Role::Control`] | rules and configuration, to read; state | who connects to what was opened before | files, threads, local sockets |
//!
//! A layer is a means of the kernel's: capabilities ([`user`]), Landlock ([`files`]) and seccomp ([`calls`]).

mod calls;
mod files;
#[cfg(feature = "magic-packet")]
pub mod probe;
pub mod user;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;

use seccompiler::BpfProgram;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes packets from an interface.
    Reader,
    /// It inspects them.
    Worker,
    /// It takes packets from its own ring and inspects them.
    ReadingWorker,
    /// It writes records and files.
    Writer,
    /// It takes records to other machines.
    Sender,
    /// It reads rules again and answers who asks.
    Control,
}

/// All roles.
const ROLES: [Role; 6] = [Role::Reader, Role::Worker, Role::ReadingWorker, Role::Writer, Role::Sender, Role::Control];

/// What the sensor reads and writes.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Folders and files that it writes. What is not there is left out.
    pub written: Vec<PathBuf>,
    /// Files that senders read besides those of the system, such as certificates.
    pub read_by_senders: Vec<PathBuf>,
}

/// Which layers hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Nobody has a capability, nor can win one.
    pub capabilities: bool,
    /// The version of Landlock's interface that holds.
    pub landlock: Option<u32>,
    /// System calls are filtered.
    pub seccomp: bool,
}

impl Level {
    /// A word for it: `full`, `partial` or `none`.
    pub fn word(self) -> &'static str {
        match self.missing().len() {
            0 => "full",
            LAYERS => "none",
            _ => "partial",
        }
    }

    /// The layers that do not hold.
    pub fn missing(self) -> Vec<&'static str> {
        let all =
            [(self.capabilities, "capabilities"), (self.landlock.is_some(), "Landlock"), (self.seccomp, "seccomp")];
        all.into_iter().filter(|(holds, _)| !holds).map(|(_, name)| name).collect()
    }
}

/// How many layers there are.
const LAYERS: usize = 3;

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.word())?;
        match (self.missing().as_slice(), self.landlock) {
            ([], Some(version)) => write!(f, " (Landlock {version})"),
            (missing, _) => write!(f, " (without {})", missing.join(", ")),
        }
    }
}

/// Why the doors stay open.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The kernel lacks layers.
    #[error(
        "this system has no {}, and without it the sensor has more rights than it needs; --allow-unsandboxed starts it all the same",
        missing.join(" and no ")
    )]
    Missing {
        /// Their names.
        missing: Vec<&'static str>,
    },
    /// Something that should not fail did.
    #[error("rights cannot be given up: {0}")]
    Failed(#[from] io::Error),
}

/// What closes behind a thread, layer by layer.
struct Door {
    files: Option<files::Domain>,
    calls: Option<BpfProgram>,
}

impl Door {
    fn of(role: Option<Role>, places: &Places) -> io::Result<Self> {
        Ok(Self { files: Some(files::domain(role, places)?), calls: Some(calls::filter(role)?) })
    }

    /// Whether files and system calls are closed off from this thread on.
    fn close(&self) -> io::Result<(Option<u32>, bool)> {
        let landlock = match &self.files {
            Some(domain) => domain.enter()?,
            None => None,
        };
        let seccomp = match &self.calls {
            Some(filter) => calls::enter(filter)?,
            None => false,
        };
        Ok((landlock, seccomp))
    }
}

/// The doors of all roles, once those of the process are closed.
static DOORS: OnceLock<[Door; ROLES.len()]> = OnceLock::new();

/// Gives up all rights that no thread needs, for this thread and all that it starts; the layers that hold. What the kernel lacks is an error
/// unless `allow_missing`. There must be no other thread yet.
pub fn close(places: &Places, allow_missing: bool) -> Result<Level, Refused> {
    if threads()? > 1 {
        return Err(io::Error::other("there are other threads already, which would keep theirs").into());
    }
    user::forbid_new_rights()?;
    // Each role is tried on a thread of its own, so that none fails later.
    let mut doors = Vec::new();
    let mut level = Level { capabilities: true, landlock: Some(u32::MAX), seccomp: true };
    for role in ROLES {
        let door = Door::of(Some(role), places)?;
        let (landlock, seccomp) = thread::scope(|scope| scope.spawn(|| door.close()).join())
            .map_err(|_| io::Error::other("a thread that tried it panicked"))??;
        level.landlock = level.landlock.min(landlock);
        level.seccomp &= seccomp;
        doors.push(door);
    }
    if !level.missing().is_empty() && !allow_missing {
        return Err(Refused::Missing { missing: level.missing() });
    }
    user::drop_capabilities()?;
    Door::of(None, places)?.close()?;
    let doors: [Door; ROLES.len()] = doors.try_into().map_err(|_| io::Error::other("roles were lost"))?;
    drop(DOORS.set(doors));
    Ok(level)
}

/// Takes a role for the rest of this thread's life, and of those that it starts. Nothing happens where doors are open, as in a replay.
#[expect(clippy::print_stderr, reason = "it is the last thing that is said")]
pub fn enter(role: Role) {
    let Some(doors) = DOORS.get() else { return };
    let place = ROLES.iter().position(|known| *known == role);
    if let Some(door) = place.and_then(|place| doors.get(place))
        && let Err(error) = door.close()
    {
        // It was tried at the start; a thread with more rights than its role is worse than none.
        eprintln!("error: a thread cannot take the role {role:?}: {error}");
        std::process::abort();
    }
}

/// How many threads this process has.
fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_names_what_is_missing() {
        let full = Level { capabilities: true, landlock: Some(6), seccomp: true };
        let partial = Level { landlock: None, ..full };
        assert_eq!(full.to_string(), "full (Landlock 6)");
        assert_eq!(partial.to_string(), "partial (without Landlock)");
        assert_eq!(Level::default().to_string(), "none (without capabilities, Landlock, seccomp)");
        let refused = Refused::Missing { missing: partial.missing() }.to_string();
        assert!(refused.starts_with("this system has no Landlock, and") && refused.contains("--allow-unsandboxed"));
    }

    #[test]
    fn doors_stay_open_while_there_are_other_threads() {
        let waiting = std::sync::Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| waiting.wait());
            assert!(matches!(close(&Places::default(), true), Err(Refused::Failed(_))));
            waiting.wait();
        });
    }
}
