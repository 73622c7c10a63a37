//! An expression followed thread by thread.
//!
//! A thread is a state of the program and the place where its match began. All threads at a byte stand in the order of preference, each state
//! once, so that the first one to reach the end of the program is the match that a search with going back would find. Work is counted as it
//! is done: for each byte the states that were entered there.

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::{prefilter::Prefilter, primitives::StateID};

use super::Found;
use super::tank::Tank;

/// Units for a byte, and for each state at it.
const BYTE: u64 = 4;
const STATE: u64 = 4;

#[derive(Debug)]
pub(super) struct Threads {
    nfa: NFA,
    /// A match begins where the text does.
    is_held: bool,
    prefilter: Option<Prefilter>,
}

/// States in order, each once.
struct Set {
    /// State and begin.
    threads: Vec<(StateID, usize)>,
    /// For each state its place in the list, where that is the one of it.
    places: Vec<u32>,
}

impl Set {
    fn new(states: usize) -> Self {
        Self { threads: Vec::with_capacity(16), places: vec![0; states] }
    }

    /// Adds a state; whether it was not there.
    fn insert(&mut self, state: StateID, begin: usize) -> bool {
        let Some(place) = self.places.get_mut(state.as_usize()) else { return false };
        if self.threads.get(*place as usize).is_some_and(|thread| thread.0 == state) {
            return false;
        }
        *place = u32::try_from(self.threads.len()).unwrap_or(u32::MAX);
        self.threads.push((state, begin));
        true
    }
}

impl Threads {
    pub(super) fn new(nfa: NFA, is_held: bool, prefilter: Option<Prefilter>) -> Self {
        // What is held to the begin is looked for in one place: to search the rest for how it begins would cost all of it each time.
        Self { nfa, is_held, prefilter: prefilter.filter(|_| !is_held) }
    }

    /// The first match from `start` on.
    pub(super) fn find(&self, haystack: &[u8], start: usize, tank: &mut Tank) -> Found {
        let states = self.nfa.states().len();
        let (mut now, mut next, mut stack) = (Set::new(states), Set::new(states), Vec::new());
        if !tank.spend(states as u64 / 4) {
            return Found::LimitHit;
        }
        let mut found = None;
        let mut at = start;
        while at <= haystack.len() {
            if now.threads.is_empty() {
                if found.is_some() || at > start && self.is_held {
                    break;
                }
                if let Some(prefilter) = &self.prefilter {
                    let candidate = prefilter.find(haystack, (at..haystack.len()).into());
                    let to = candidate.map_or(haystack.len(), |span| span.start);
                    tank.spend((to - at) as u64 / 4);
                    if candidate.is_none() {
                        break;
                    }
                    at = to;
                }
            }
            if found.is_none() {
                self.enter(self.nfa.start_anchored(), at, (haystack, at), &mut now, &mut stack);
            }
            if !tank.spend(BYTE + STATE * now.threads.len() as u64) {
                return Found::LimitHit;
            }
            let byte = haystack.get(at).copied();
            for &(state, begin) in &now.threads {
                if let State::Match { .. } = self.nfa.state(state) {
                    found = Some((begin, at));
                    break;
                }
                if let Some(to) = byte.and_then(|byte| step(self.nfa.state(state), byte)) {
                    self.enter(to, begin, (haystack, at + 1), &mut next, &mut stack);
                }
            }
            std::mem::swap(&mut now, &mut next);
            next.threads.clear();
            at += 1;
        }
        found.map_or(Found::No, |(begin, end)| Found::At(Some(begin), end))
    }

    /// Adds a state and all that are reached from it without a byte, in order of preference.
    fn enter(
        &self,
        state: StateID,
        begin: usize,
        (haystack, at): (&[u8], usize),
        set: &mut Set,
        stack: &mut Vec<StateID>,
    ) {
        stack.push(state);
        while let Some(state) = stack.pop() {
            if !set.insert(state, begin) {
                continue;
            }
            match self.nfa.state(state) {
                State::Look { look, next } if self.nfa.look_matcher().matches(*look, haystack, at) => stack.push(*next),
                State::Union { alternates } => stack.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => stack.extend([*alt2, *alt1]),
                State::Capture { next, .. } => stack.push(*next),
                _ => {}
            }
        }
    }
}

/// Where a byte leads.
fn step(state: &State, byte: u8) -> Option<StateID> {
    match state {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(transitions) => transitions.matches_byte(byte),
        State::Dense(transitions) => transitions.matches_byte(byte),
        _ => None,
    }
}
