//! `runmode` and `threading`: how many threads there are, who reads packets, and which processors they run on.

use super::Problem;
use super::node::{Node, Value};
use crate::capture::live::RunMode;
use crate::run::{Pinning, Processors};

/// What is said of threads.
#[derive(Clone, Debug, Default)]
pub struct Threads {
    /// Who reads packets, live.
    pub mode: RunMode,
    /// How many workers there are; as many as processors where nothing is said.
    pub workers: Option<u16>,
    /// Which processors they run on.
    pub pinning: Pinning,
}

impl Threads {
    /// Reads the sections.
    pub(super) fn read(root: &Node, faults: &mut Vec<Problem>) -> Self {
        let mut threads = Self::default();
        if let Some(node) = root.at("runmode") {
            match node.text() {
                Some("workers") => threads.mode = RunMode::Workers,
                Some("autofp") => threads.mode = RunMode::Reader,
                Some("single") => (threads.mode, threads.workers) = (RunMode::Workers, Some(1)),
                Some("auto") | None => {}
                Some(other) => {
                    faults.push(node.problem(format!("`{other}` is no run mode"), "auto, workers, autofp or single"))
                }
            }
        }
        let first = root.at("af-packet").map(Node::items).and_then(<[Node]>::first);
        let of_interface = first.and_then(|node| node.get("threads"));
        let sets = root.at("threading.cpu-affinity");
        let is_on = root.at("threading.set-cpu-affinity").and_then(Node::switch).unwrap_or(false);
        let set = |name: &str| {
            let of_list = sets.map(Node::items).unwrap_or(&[]).iter().find_map(|item| item.get(name));
            sets.and_then(|sets| sets.get(name)).or(of_list).filter(|_| is_on)
        };
        let workers = set("worker-cpu-set");
        for node in [workers.and_then(|set| set.get("threads")), of_interface].into_iter().flatten() {
            match node.text().map(str::parse::<u16>) {
                Some(Ok(count)) if (1..=256).contains(&count) => {
                    threads.workers.get_or_insert(count);
                }
                _ if node.text() == Some("auto") => {}
                _ => faults.push(node.problem("this is no number of threads".into(), "1 to 256, or auto")),
            }
        }
        threads.pinning = Pinning {
            workers: workers.map(|set| processors(set, faults)).unwrap_or_default(),
            reader: set("receive-cpu-set").map(|set| processors(set, faults)).unwrap_or_default(),
            writer: set("management-cpu-set").map(|set| processors(set, faults)).unwrap_or_default(),
        };
        threads
    }
}

fn processors(set: &Node, faults: &mut Vec<Problem>) -> Processors {
    let exclusive = set.get("mode").and_then(Node::text) == Some("exclusive");
    let Some(node) = set.get("cpu") else { return Processors::default() };
    let words: Vec<&str> = match &node.value {
        Value::List(items) => items.iter().filter_map(Node::text).collect(),
        _ => node.text().into_iter().collect(),
    };
    let mut numbers = Vec::new();
    for word in words.iter().flat_map(|word| word.split(',')).map(str::trim) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            _ if word == "all" => {
                let count = std::thread::available_parallelism().map_or(1, usize::from);
                numbers.extend(0..count);
            }
            (Ok(first), Ok(last)) if first <= last && last < PROCESSORS => numbers.extend(first..=last),
            _ => faults.push(node.problem(format!("`{word}` names no processors"), "such as 3, 0-7 or all")),
        }
    }
    Processors { numbers, exclusive }
}

/// Processors of a machine.
const PROCESSORS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Threads, Vec<Problem>) {
        let mut faults = Vec::new();
        (Threads::read(&Node::parse(text), &mut faults), faults)
    }

    #[test]
    fn sets_of_processors_are_read_as_a_list_and_as_a_mapping() {
        let list =
            "{runmode: workers, threading: {set-cpu-affinity: yes, cpu-affinity: [{management-cpu-set: {cpu: [0]}},
            {receive-cpu-set: {cpu: '1'}}, {worker-cpu-set: {cpu: ['2-4', 7], mode: exclusive, threads: 4}}]}}";
        let mapping =
            "{runmode: workers, threading: {set-cpu-affinity: yes, cpu-affinity: {management-cpu-set: {cpu: [0]},
            receive-cpu-set: {cpu: 1}, worker-cpu-set: {cpu: '2-4,7', mode: exclusive, threads: 4}}}}";
        for text in [list, mapping] {
            let (threads, faults) = read(text);
            assert!(faults.is_empty(), "{faults:?}");
            assert_eq!((threads.mode, threads.workers), (RunMode::Workers, Some(4)));
            let Pinning { workers, reader, writer } = threads.pinning;
            assert_eq!((&workers.numbers[..], workers.exclusive), (&[2, 3, 4, 7][..], true));
            assert_eq!((&reader.numbers[..], &writer.numbers[..], reader.exclusive), (&[1][..], &[0][..], false));
        }
        assert_eq!(read(&list.replace("affinity: yes", "affinity: no")).0.pinning, Pinning::default());
    }

    #[test]
    fn threads_of_an_interface_are_workers() {
        assert_eq!(read("{af-packet: [{interface: a, threads: 3}]}").0.workers, Some(3));
        assert_eq!(read("{af-packet: [{interface: a, threads: auto}]}").0.workers, None);
        assert_eq!(read("{runmode: single, af-packet: [{interface: a, threads: 3}]}").0.workers, Some(1));
        assert_eq!(read("{runmode: autofp}").0.mode, RunMode::Reader);
    }

    #[test]
    fn what_cannot_be_right_is_told() {
        let text = "{runmode: sideways, af-packet: [{interface: a, threads: 0}],
            threading: {set-cpu-affinity: yes, cpu-affinity: {worker-cpu-set: {cpu: ['4-2', x, 99999]}}}}";
        assert_eq!(read(text).1.len(), 5, "{:#?}", read(text).1);
    }
}
