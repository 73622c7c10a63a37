//! A batch until its receiver has it: what is left open is sent again, what is refused together is taken apart, what is refused alone is
//! a dead letter.

use std::time::Duration;

use super::transport::{Answer, Item, Transport, Trouble};

/// Records that may be refused one after the other before that is believed to be the receiver's fault and not theirs.
const REFUSED_IN_A_ROW: u32 = 64;

/// What has to be known and done beside.
pub(super) trait Watcher {
    /// A receiver has a record.
    fn delivered(&mut self, item: &Item<'_>);
    /// It refused one.
    fn refused(&mut self, item: &Item<'_>, words: &str);
    /// It cannot be reached, or wants none: waits until it is worth another try. False if nobody wants that any more.
    fn wait(&mut self, words: &str, after: Option<Duration>) -> bool;
    /// It was asked; it is worth to be asked again at once.
    fn well(&mut self);
}

/// Sends records until the receiver has each, or refused it; false if that was given up.
pub(super) fn send_all(
    transport: &mut dyn Transport,
    items: Vec<Item<'_>>,
    in_a_row: &mut u32,
    watcher: &mut dyn Watcher,
) -> bool {
    let mut groups = vec![items];
    let mut answers = Vec::new();
    while let Some(group) = groups.pop() {
        if group.is_empty() {
            continue;
        }
        answers.clear();
        answers.resize(group.len(), Answer::Open);
        let result = transport.send(&group, &mut answers);
        let mut open = Vec::new();
        let before = group.len();
        for (item, answer) in group.into_iter().zip(&answers) {
            match answer {
                Answer::Open => open.push(item),
                Answer::Delivered => {
                    *in_a_row = 0;
                    watcher.delivered(&item);
                }
                Answer::Refused(words) => watcher.refused(&item, words),
            }
        }
        let is_stuck = open.len() == before;
        let (words, after) = match result {
            Ok(()) if !is_stuck || open.is_empty() => {
                watcher.well();
                groups.push(open);
                continue;
            }
            Ok(()) => ("it says nothing of what it was sent".to_owned(), None),
            Err(Trouble::Away { words, after }) => (words, after),
            Err(Trouble::Refused(words)) => {
                let Some(single) = open.first().filter(|_| open.len() == 1) else {
                    let second = open.split_off(open.len() / 2);
                    groups.extend([second, open]);
                    continue;
                };
                *in_a_row += 1;
                if *in_a_row > REFUSED_IN_A_ROW && !watcher.wait(&format!("it refuses all: {words}"), None) {
                    return false;
                }
                watcher.refused(single, &words);
                continue;
            }
        };
        groups.push(open);
        if !watcher.wait(&words, after) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Obeys a plan: for each record how often it is not taken, and whether it is refused.
    struct Plan<'p> {
        answer: &'p mut Answering<'p>,
    }

    type Answering<'p> = dyn FnMut(&[Item<'_>], &mut [Answer]) -> Result<(), Trouble> + 'p;

    impl Transport for Plan<'_> {
        fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
            (self.answer)(items, answers)
        }
    }

    #[derive(Default)]
    struct Seen {
        delivered: Vec<String>,
        refused: Vec<(String, String)>,
        waits: Vec<String>,
        patience: usize,
    }

    impl Watcher for Seen {
        fn delivered(&mut self, item: &Item<'_>) {
            self.delivered.push(item.id.to_string());
        }
        fn refused(&mut self, item: &Item<'_>, words: &str) {
            self.refused.push((item.id.to_string(), words.to_owned()));
        }
        fn wait(&mut self, words: &str, _: Option<Duration>) -> bool {
            self.waits.push(words.to_owned());
            self.waits.len() <= self.patience
        }
        fn well(&mut self) {}
    }

    fn items(count: usize) -> Vec<Item<'static>> {
        (0..count)
            .map(|n| Item { body: b"{}", line: b"{}", head: Default::default(), id: n.to_string().into() })
            .collect()
    }

    fn run(count: usize, patience: usize, answer: &mut Answering<'_>) -> (bool, Seen) {
        let mut seen = Seen { patience, ..Seen::default() };
        let mut plan = Plan { answer: &mut |items, answers| answer(items, answers) };
        let done = send_all(&mut plan, items(count), &mut 0, &mut seen);
        (done, seen)
    }

    #[test]
    fn one_that_spoils_a_request_is_found_and_the_others_arrive() {
        let (done, seen) = run(1_000, 0, &mut |items, answers| {
            if items.iter().any(|item| item.id == "617") {
                return Err(Trouble::Refused("400 no".into()));
            }
            answers.fill(Answer::Delivered);
            Ok(())
        });
        assert!(done && seen.waits.is_empty());
        assert_eq!((seen.delivered.len(), seen.refused), (999, vec![("617".into(), "400 no".into())]));
    }

    #[test]
    fn what_is_left_open_is_sent_again_and_what_is_answered_is_not() {
        let mut calls = 0;
        let (done, seen) = run(10, 9, &mut |items, answers| {
            calls += 1;
            match calls {
                1 => {
                    answers[..4].fill(Answer::Delivered);
                    answers[4] = Answer::Refused("bad".into());
                    Err(Trouble::away("429"))
                }
                2 => {
                    assert_eq!(items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["5", "6", "7", "8", "9"]);
                    answers[0] = Answer::Delivered;
                    Ok(())
                }
                3 => Ok(()),
                _ => {
                    answers.fill(Answer::Delivered);
                    Ok(())
                }
            }
        });
        assert!(done);
        assert_eq!((calls, seen.delivered.len(), seen.refused.len()), (4, 9, 1));
        assert_eq!(seen.waits, ["429", "it says nothing of what it was sent"]);
    }

    #[test]
    fn a_receiver_that_refuses_everything_is_waited_for() {
        let (done, seen) = run(200, 3, &mut |_, _| Err(Trouble::Refused("400 index".into())));
        assert!(!done);
        assert_eq!((seen.refused.len(), seen.waits.len()), (67, 4));
        let (done, seen) = run(5, 2, &mut |_, _| Err(Trouble::away("refused")));
        assert!(!done && seen.delivered.is_empty() && seen.waits.len() == 3);
    }
}
