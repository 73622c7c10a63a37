//! Which processors a thread runs on.

use rustix::thread::{CpuSet, sched_setaffinity};

/// Processors of one kind of threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processors {
    /// Their numbers; any where there are none.
    pub numbers: Vec<usize>,
    /// Each thread has one of them to itself; otherwise each runs on all of them.
    pub exclusive: bool,
}

/// `threading.cpu-affinity`: which processors threads run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pinning {
    /// Those that inspect packets.
    pub workers: Processors,
    /// The one that reads them, where workers do not.
    pub reader: Processors,
    /// The one that writes records.
    pub writer: Processors,
}

impl Processors {
    /// Has the `index`th thread of the kind, which calls it, run on its own. What the system refuses is told.
    pub(super) fn pin(&self, index: usize, warn: Option<&(dyn Fn(&str) + Sync)>) {
        let mut set = CpuSet::new();
        let all = self.numbers.iter().filter(|number| **number < CpuSet::MAX_CPU);
        if self.exclusive {
            self.numbers.get(index % self.numbers.len().max(1)).into_iter().for_each(|number| set.set(*number));
        } else {
            all.for_each(|number| set.set(*number));
        }
        if set.count() > 0
            && let Err(error) = sched_setaffinity(None, &set)
            && let Some(warn) = warn
        {
            warn(&format!("a thread cannot run on the processors that `threading.cpu-affinity` names: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_thread_runs_where_it_is_told_to() {
        let ours = sched_getaffinity(None).unwrap();
        let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| ours.is_set(*number)).collect();
        for (exclusive, index, count) in [(true, numbers.len() + 1, 1), (false, 0, numbers.len())] {
            let processors = Processors { numbers: numbers.clone(), exclusive };
            let pinned = std::thread::spawn(move || {
                processors.pin(index, None);
                sched_getaffinity(None).unwrap().count()
            });
            assert_eq!(pinned.join().unwrap(), u32::try_from(count).unwrap());
        }
        Processors::default().pin(3, None);
        assert_eq!(sched_getaffinity(None).unwrap(), ours);
        let told = std::sync::Mutex::new(0);
        let nowhere = Processors { numbers: vec![CpuSet::MAX_CPU - 1], exclusive: true };
        nowhere.pin(0, Some(&|_: &str| *told.lock().unwrap() += 1));
        assert_eq!(*told.lock().unwrap(), 1);
    }
}
