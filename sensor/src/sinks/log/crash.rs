//! A folder of memory that loses, at any step, what was not made to survive: sectors of files torn, names of before or of after.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use super::volume::{Space, Volume, VolumeFile};
use crate::sinks::mend::ReadAt;

const SECTOR: usize = 512;

/// What a folder was before a step, and the mark of what was known then.
pub(super) type Step = (State, u64);

/// A folder, and what it is at each step.
#[derive(Clone, Default)]
pub(super) struct Memory {
    state: Rc<RefCell<State>>,
    /// What it was before each step, if that is wanted, with what the test knew then.
    pub(super) steps: Rc<RefCell<Option<Vec<Step>>>>,
    /// What the test knows.
    pub(super) mark: Rc<RefCell<u64>>,
}

/// What there is, and what of it is safe.
#[derive(Clone, Default)]
pub(super) struct State {
    files: Vec<Bytes>,
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    /// Changes of names that are not safe yet.
    changes: Vec<Change>,
}

#[derive(Clone, Default)]
struct Bytes {
    now: Vec<u8>,
    safe: Vec<u8>,
}

#[derive(Clone)]
enum Change {
    Add(String, usize),
    Rename(String, String),
    Remove(String),
}

/// Numbers of chance.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// One below a limit.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap()
    }
}

impl State {
    /// What is there when the machine starts again: of what was not safe, some.
    pub(super) fn crashed(&self, chance: &mut Chance) -> Memory {
        let mut state = State { names: self.safe_names.clone(), ..Self::default() };
        // A journal keeps the order of changes; without one, any of them may have come to the disk.
        let (has_journal, kept) = (chance.below(2) == 0, chance.below(self.changes.len() + 1));
        for (nth, change) in self.changes.iter().enumerate() {
            if if has_journal { nth < kept } else { chance.below(2) == 0 } {
                change.apply(&mut state.names);
            }
        }
        state.safe_names.clone_from(&state.names);
        state.files = self.files.iter().map(|file| file.crashed(chance)).collect();
        Memory { state: Rc::new(RefCell::new(state)), ..Memory::default() }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl Bytes {
    fn crashed(&self, chance: &mut Chance) -> Self {
        let both = self.now.len().min(self.safe.len());
        if self.now.len() < self.safe.len() {
            let len = if chance.below(2) == 0 { self.now.len() } else { self.safe.len() };
            let left = self.safe[..len].to_vec();
            return Self { now: left.clone(), safe: left };
        }
        let len = both + chance.below(self.now.len() - both + 1);
        let mut left = self.now[..len].to_vec();
        for (nth, sector) in left.chunks_mut(SECTOR).enumerate() {
            let begin = nth * SECTOR;
            let is_safe = |at: usize| begin + at < both && self.now[begin + at] == self.safe[begin + at];
            let torn_at = match chance.below(4) {
                0 => 0,
                1 => chance.below(sector.len()),
                _ => continue,
            };
            for (at, byte) in sector.iter_mut().enumerate().skip(torn_at) {
                if !is_safe(at) {
                    *byte = self.safe.get(begin + at).copied().unwrap_or(0);
                }
            }
        }
        Self { now: left.clone(), safe: left }
    }
}

impl Memory {
    /// Whatever changes anything is a step; before each there may be a crash.
    fn step(&self) {
        if let Some(steps) = &mut *self.steps.borrow_mut() {
            steps.push((self.state.borrow().clone(), *self.mark.borrow()));
        }
    }

    fn change(&self, change: Change) {
        self.step();
        let mut state = self.state.borrow_mut();
        change.apply(&mut state.names);
        state.changes.push(change);
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        self.state.borrow().names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A file of it.
pub(super) struct MemoryFile {
    memory: Memory,
    file: usize,
}

impl ReadAt for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.memory.state.borrow().files[self.file].now.len() as u64)
    }

    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        if into.is_empty() {
            return Ok(());
        }
        let state = self.memory.state.borrow();
        let from = usize::try_from(at).unwrap();
        let bytes = state.files[self.file].now.get(from..from + into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

impl VolumeFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A crash may come amid it.
        for part in bytes.chunks(SECTOR) {
            self.memory.step();
            self.memory.state.borrow_mut().files[self.file].now.extend_from_slice(part);
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.memory.step();
        self.memory.state.borrow_mut().files[self.file].now.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn allocate(&mut self, len: u64) -> io::Result<()> {
        self.memory.step();
        self.memory.state.borrow_mut().files[self.file].now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.memory.step();
        let file = &mut self.memory.state.borrow_mut().files[self.file];
        file.safe.clone_from(&file.now);
        Ok(())
    }
}

impl Volume for Memory {
    type File = MemoryFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state.borrow().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        Ok(MemoryFile { file: self.file(name)?, memory: self.clone() })
    }

    fn append(&self, name: &str) -> io::Result<MemoryFile> {
        if self.file(name).is_err() {
            let file = self.state.borrow().files.len();
            self.state.borrow_mut().files.push(Bytes::default());
            self.change(Change::Add(name.to_owned(), file));
        }
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.file(from)?;
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.file(name)?;
        self.change(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.step();
        let mut state = self.state.borrow_mut();
        state.safe_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }

    fn is_in_place(&self, name: &str, file: &MemoryFile) -> bool {
        self.file(name).is_ok_and(|found| found == file.file)
    }

    fn renew(&self) -> io::Result<()> {
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space { total: 1 << 40, free: 1 << 40 })
    }
}

#[path = "crash/tests.rs"]
mod tests;
