//! Expressions without memory: searched for in work that is known beforehand.
//!
//! A byte string is searched for as such, counted repetitions of one (`A{1000}`, `(?:%3C){1000}` in any case) included. For nine of ten of the
//! others all states of the automaton fit into a table, made when they are first needed: a byte costs one unit. The rest, whose table would
//! be large, is followed thread by thread: a byte costs as much as threads are at it. So is what can only match at the begin of the text.
//!
//! The `regex` crate does the same in another order: it makes states while it searches, and follows threads when there are too many. Which of
//! these happens depends on what it searched before, so the work cannot be told; its parts (`regex-automata`) can be asked one by one.

use std::sync::OnceLock;

use memchr::memmem::Finder;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::{prefilter::Prefilter, syntax};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Class, Hir, HirKind, Look, LookSet};

use super::tank::{SEARCHED_BYTES, Tank};
use super::threads::Threads;
use super::{Found, Options};

/// Bytes of the program of an expression; what needs more is left to PCRE2.
const PROGRAM_LIMIT_BYTES: usize = 1 << 20;
/// Bytes of a table, and of what is needed to make it.
const TABLE: Limits = Limits { bytes: 16 << 10, work_bytes: 32 << 10 };
/// The same where an expression begins with a long run of a class: each byte may begin a match, so that threads would be many.
const TABLE_OF_RUN: Limits = Limits { bytes: 256 << 10, work_bytes: 1 << 20 };
/// Least bytes of such a run.
const RUN_BYTES: u32 = 32;
/// Bytes of a byte string that an expression means.
const NEEDLE_LIMIT_BYTES: usize = 64 << 10;

type Table = dense::DFA<Vec<u32>>;

#[derive(Clone, Copy)]
struct Limits {
    bytes: usize,
    work_bytes: usize,
}

/// An expression as it is searched for.
#[derive(Debug)]
pub(super) struct Automaton {
    way: Way,
    /// Nothing before the begin of a match tells whether it is one.
    pub(super) is_blind_behind: bool,
}

#[derive(Debug)]
enum Way {
    /// Bytes; folded ones are in lower case, and so is then what is searched.
    Needle {
        finder: Box<Finder<'static>>,
        folded: bool,
    },
    /// A table that tells the ends of matches, and the expression for another one that tells their begins.
    Table {
        ends: Box<Table>,
        hir: Hir,
        begins: OnceLock<Option<Box<Table>>>,
    },
    Threads(Box<Threads>),
}

impl Automaton {
    /// Reads an expression as [`super::linear`] has written it.
    pub(super) fn new(pattern: &str, options: Options) -> Option<Self> {
        let (hir, is_blind_behind) = read(pattern, options)?;
        let way = Self::needle(&hir).or_else(|| Self::by_states(hir))?;
        Some(Self { way, is_blind_behind })
    }

    /// The same, to be followed by threads whatever it is.
    #[cfg(test)]
    pub(super) fn of_threads(pattern: &str, options: Options) -> Option<Self> {
        let (hir, is_blind_behind) = read(pattern, options)?;
        let threads = Threads::new(program(&hir, false)?, is_held(&hir), prefilter(&hir));
        Some(Self { way: Way::Threads(Box::new(threads)), is_blind_behind })
    }
    fn needle(hir: &Hir) -> Option<Way> {
        let mut needle = Needle::default();
        needle.read(hir).filter(|()| !needle.bytes.is_empty())?;
        let finder = Box::new(Finder::new(&needle.bytes).into_owned());
        Some(Way::Needle { finder, folded: needle.folded })
    }

    fn by_states(hir: Hir) -> Option<Way> {
        let (nfa, prefilter) = (program(&hir, false)?, prefilter(&hir));
        // What is held to the begin of the text is mostly over after a few bytes: too few to make a table for.
        let is_held = is_held(&hir);
        let settings = || {
            let settings = dense::Config::new().start_kind(StartKind::Unanchored);
            settings.specialize_start_states(prefilter.is_some()).prefilter(prefilter.clone())
        };
        let limits = if begins_with_run(&hir) { TABLE_OF_RUN } else { TABLE };
        Some(match if is_held { None } else { table(settings(), &nfa, limits) } {
            Some(ends) => Way::Table { ends, hir, begins: OnceLock::new() },
            None => Way::Threads(Box::new(Threads::new(nfa, is_held, prefilter))),
        })
    }

    /// The first match from `start` on: its end, and its begin where that is known without further work.
    pub(super) fn find(&self, haystack: &[u8], start: usize, tank: &mut Tank) -> Found {
        match &self.way {
            Way::Needle { finder, folded } => {
                let rest = haystack.get(start..).unwrap_or_default();
                if !tank.spend(rest.len() as u64 / SEARCHED_BYTES * (1 + u64::from(*folded))) {
                    return Found::LimitHit;
                }
                let at = if *folded { finder.find(&rest.to_ascii_lowercase()) } else { finder.find(rest) };
                let length = finder.needle().len();
                at.map_or(Found::No, |at| Found::At(Some(start + at), start + at + length))
            }
            Way::Table { ends, .. } => {
                let reach = usize::try_from(tank.left()).unwrap_or(usize::MAX);
                let end = haystack.len().min(start.saturating_add(reach));
                let found = ends.try_search_fwd(&Input::new(haystack).range(start..end)).ok().flatten();
                let until = found.map_or(end, |found| found.offset());
                tank.spend((until - start) as u64);
                match found {
                    Some(found) => Found::At(None, found.offset()),
                    None if end == haystack.len() => Found::No,
                    None => {
                        tank.drain();
                        Found::LimitHit
                    }
                }
            }
            Way::Threads(threads) => threads.find(haystack, start, tank),
        }
    }

    /// Where a match begins that was found from `start` on and ends at `end`.
    pub(super) fn begin_of(&self, haystack: &[u8], start: usize, end: usize, tank: &mut Tank) -> Option<usize> {
        let Way::Table { hir, begins, .. } = &self.way else { return None };
        let begins = begins.get_or_init(|| {
            let settings = dense::Config::new().start_kind(StartKind::Anchored).match_kind(MatchKind::All);
            table(settings, &program(hir, true)?, TABLE)
        });
        match begins {
            Some(begins) => {
                let input = Input::new(haystack).range(start..end).anchored(Anchored::Yes);
                let begin = begins.try_search_rev(&input).ok().flatten()?.offset();
                tank.spend((end - begin) as u64).then_some(begin)
            }
            None => match Threads::new(program(hir, false)?, false, None).find(haystack, start, tank) {
                Found::At(begin, _) => begin,
                Found::No | Found::LimitHit => None,
            },
        }
    }
}

/// An expression, and whether nothing before the begin of a match tells whether it is one.
pub(super) fn read(pattern: &str, options: Options) -> Option<(Hir, bool)> {
    let Options { caseless, multi_line, dot_all, ungreedy, .. } = options;
    let reading = syntax::Config::new().unicode(false).utf8(false).case_insensitive(caseless);
    let reading = reading.multi_line(multi_line).dot_matches_new_line(dot_all).swap_greed(ungreedy);
    let hir = syntax::parse_with(pattern, &reading).ok()?;
    let looks = hir.properties().look_set();
    let behind = [Look::End, Look::EndLF].into_iter().fold(looks, LookSet::remove);
    let known = [Look::Start, Look::StartLF, Look::WordAscii, Look::WordAsciiNegate];
    known.into_iter().fold(behind, LookSet::remove).is_empty().then(|| (hir, behind.is_empty()))
}

/// Whether a match begins with many bytes of one class.
fn begins_with_run(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Concat(parts) => parts.first().is_some_and(begins_with_run),
        HirKind::Capture(group) => begins_with_run(&group.sub),
        HirKind::Repetition(repeated) => {
            repeated.min >= RUN_BYTES && matches!(repeated.sub.kind(), HirKind::Class(_) | HirKind::Literal(_))
        }
        _ => false,
    }
}

/// Whether a match begins where the text does.
fn is_held(hir: &Hir) -> bool {
    hir.properties().look_set_prefix().contains(Look::Start)
}

/// The byte strings of which each match begins with one, where they are worth to be searched for.
fn prefilter(hir: &Hir) -> Option<Prefilter> {
    Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, hir).filter(Prefilter::is_fast)
}

fn program(hir: &Hir, reversed: bool) -> Option<NFA> {
    let settings = thompson::Config::new()
        .utf8(false)
        .reverse(reversed)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(PROGRAM_LIMIT_BYTES));
    thompson::Compiler::new().configure(settings).build_from_hir(hir).ok()
}

fn table(settings: dense::Config, nfa: &NFA, limits: Limits) -> Option<Box<Table>> {
    let limits =
        settings.accelerate(false).dfa_size_limit(Some(limits.bytes)).determinize_size_limit(Some(limits.work_bytes));
    dense::Builder::new().configure(limits).build_from_nfa(nfa).ok().map(Box::new)
}

/// The one byte string that an expression means.
#[derive(Default)]
struct Needle {
    bytes: Vec<u8>,
    /// Letters count in both cases, and stand here in lower case.
    folded: bool,
    /// There are letters that count in one case.
    cased: bool,
}

impl Needle {
    fn read(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Literal(literal) => {
                self.cased |= literal.0.iter().any(u8::is_ascii_alphabetic);
                self.bytes.extend_from_slice(&literal.0);
            }
            HirKind::Class(Class::Bytes(class)) => {
                let [upper, lower] = class.ranges() else { return None };
                let is_letter = upper.len() == 1 && upper.start().is_ascii_uppercase();
                if !is_letter || lower.len() != 1 || lower.start() != upper.start().to_ascii_lowercase() {
                    return None;
                }
                self.folded = true;
                self.bytes.push(lower.start());
            }
            HirKind::Capture(group) => self.read(&group.sub)?,
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.read(part))?,
            HirKind::Repetition(repeated) if repeated.max == Some(repeated.min) => {
                let from = self.bytes.len();
                self.read(&repeated.sub)?;
                let unit = self.bytes.split_off(from);
                if unit.len().checked_mul(repeated.min as usize)? > NEEDLE_LIMIT_BYTES {
                    return None;
                }
                self.bytes.extend(unit.repeat(repeated.min as usize));
            }
            _ => return None,
        }
        (self.bytes.len() <= NEEDLE_LIMIT_BYTES && !(self.folded && self.cased)).then_some(())
    }
}
