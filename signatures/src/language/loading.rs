//! Rule files to a rule set, again and again: rules that did not change are taken from the load before, or from the cache of a run before.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::again::TextReader;
use super::cache::{Cache, Key, Part};
use super::load::{Loaded, Located, Outcome, Source, read};
use super::variables::Sets;
use super::{classification, lexer, outside};
use crate::builder::nearest::nearest;
use crate::builder::{Environment, Names, SharedNames};
use crate::keywords;
use crate::plan::{Outline, Plan};
use crate::rule::digest::Digest;
use crate::rule::entry::{Entry, Reader, Remembered};
use crate::rule::fault::Fault;

/// Reads rule files, again and again: names keep their numbers and sets their places, so that what flows and hosts keep goes on
/// to mean the same.
#[derive(Debug, Default)]
pub struct Loader {
    names: SharedNames,
    /// What reads rules of the last load again.
    readers: Vec<Arc<TextReader>>,
    /// What a run before knew, for the first load.
    cache: Option<Cache>,
}

impl Loader {
    /// Takes over for the first load what [`super::cache::write`] left, if that was the same program with the same key. Whether it did.
    pub fn recall(&mut self, bytes: &[u8], program: &str, key: &Key) -> bool {
        self.cache = Cache::read(bytes, program, key);
        self.cache.is_some()
    }

    /// Reads rule files. A rule of the plan that was made of the load before is taken from there if nothing of it changed.
    pub fn load<S: Borrow<Source>>(
        &mut self,
        sources: impl IntoIterator<Item = S>,
        environment: &Environment,
        before: Option<&Plan>,
    ) -> Loaded {
        let mut loading = self.begin(std::slice::from_ref(environment), before);
        loading.add(0, sources);
        loading.finish()
    }

    /// Begins a load of rules that are read with several environments, each of another tenant.
    pub fn begin<'l>(&'l mut self, environments: &'l [Environment], before: Option<&'l Plan>) -> Loading<'l> {
        self.names.begin();
        let with_digest = environments.iter().map(|environment| (environment, environment.digest()));
        let parts: Vec<(&Environment, Digest)> = with_digest.collect();
        let fits = |digest: Digest| parts.iter().any(|(_, known)| *known == digest);
        let entries = before.into_iter().flat_map(Plan::entries).filter(|entry| fits(entry.environment()));
        let known: HashMap<_, _, _> = entries.map(|entry| ((entry.environment(), entry.digest), entry)).collect();
        let cache = self.cache.take().filter(|_| known.is_empty()).unwrap_or_default();
        let remembered: Vec<_> = cache.parts.into_iter().filter(|(digest, _)| fits(*digest)).collect();
        if !remembered.is_empty() {
            let names = &mut self.names;
            [names.flowbits, names.flowints, names.hostbits] = cache.names.map(Names::of);
        }
        let before = std::mem::take(&mut self.readers);
        let reader = |(environment, digest): &(&Environment, Digest)| {
            let known = before.iter().find(|reader| reader.digest == *digest);
            known.cloned().unwrap_or_else(|| Arc::new(TextReader::new(environment, *digest)))
        };
        self.readers = parts.iter().map(reader).collect();
        Loading {
            loader: self,
            environments,
            known,
            remembered,
            shared: HashMap::default(),
            files: 0,
            loaded: Loaded::default(),
        }
    }
}

/// A load that goes on.
pub struct Loading<'l> {
    loader: &'l mut Loader,
    environments: &'l [Environment],
    /// Rules of the plan before, by what they were read with and their text.
    known: HashMap<(Digest, Digest), &'l Arc<Entry>, foldhash::fast::RandomState>,
    /// What a run before knew, by the environment.
    remembered: Vec<(Digest, Part)>,
    /// Rules of tenants, by their text: those of others share its memory.
    shared: HashMap<Digest, Arc<Entry>, foldhash::fast::RandomState>,
    /// Files so far.
    files: u32,
    loaded: Loaded,
}

/// How many rules of one environment there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In use.
    pub loaded: usize,
    /// Refused.
    pub failed: usize,
    /// Left out, because the sensor lacks what they require.
    pub skipped: usize,
}

impl Loading<'_> {
    /// Reads rule files with the environment at a place.
    pub fn add<S: Borrow<Source>>(&mut self, place: usize, sources: impl IntoIterator<Item = S>) -> Counts {
        let (Some(environment), Some(reader)) = (self.environments.get(place), self.loader.readers.get(place).cloned())
        else {
            return Counts::default();
        };
        let mut counts = Counts::default();
        let remembered = self.remembered.iter().position(|(digest, _)| *digest == reader.digest);
        let mut remembered = remembered.map(|at| self.remembered.swap_remove(at).1).unwrap_or_default();
        let (mut sets, mut by_id) = (Sets::default(), ById::default());
        for text in &environment.datasets {
            let locate = |fault: Fault, warning: bool| {
                let file = "datasets".to_owned();
                Located { file, line: 0, column: 0, length: 0, warning, fault, text: String::new() }
            };
            if let Err(fault) = keywords::dataset::define(&mut self.loader.names, environment, text) {
                self.loaded.faults.push(locate(fault, false));
                counts.failed += 1;
            }
            let warnings = self.loader.names.warnings.drain(..);
            self.loaded.faults.extend(warnings.map(|fault| locate(fault, true)));
        }
        // One word for all rules of a class.
        let mut unknown: BTreeMap<String, (usize, Located)> = BTreeMap::new();
        for source in sources {
            let source = source.borrow();
            let file = self.files;
            self.files += 1;
            for statement in lexer::statements(&source.text) {
                let locate = |fault: Fault, warning: bool| {
                    let (line, column, text) = statement.line_of(&source.text, fault.span.start);
                    Located {
                        file: source.name.clone(),
                        line,
                        column: u32::try_from(column).unwrap_or(u32::MAX),
                        length: u32::try_from(fault.span.len()).unwrap_or(0),
                        warning,
                        text: text.to_owned(),
                        fault,
                    }
                };
                let place = (&*source.name, (file, statement.line), Digest::of(&*statement.text));
                let with = (environment, &reader, &mut sets);
                let read = self.statement(&statement.text, place, with, remembered.remove(&place.2));
                let warnings = self.loader.names.warnings.drain(..);
                self.loaded.faults.extend(warnings.map(|fault| locate(fault, true)));
                match read {
                    Ok(Ok(rule)) => {
                        if let Some((span, class)) = classification::named(&statement.text)
                            && environment.classes.get(class).is_none()
                        {
                            let first = || (0, locate(Fault::new(span, "", unknown_hint(class, environment)), true));
                            unknown.entry(class.to_owned()).or_insert_with(first).0 += 1;
                        }
                        if let Some(fault) = self.put(rule, &mut by_id) {
                            self.loaded.faults.push(locate(fault, true));
                        }
                    }
                    Ok(Err(lacking)) => {
                        counts.skipped += 1;
                        self.loaded.skipped.push(locate(lacking, true));
                    }
                    Err(fault) => {
                        counts.failed += 1;
                        self.loaded.faults.push(locate(fault, false));
                    }
                }
            }
        }
        for (class, (rules, mut first)) in unknown {
            let whose =
                if rules == 1 { "this rule has".into() } else { format!("{rules} rules such as this one have") };
            first.fault.message = format!(
                "the class `{class}` is not known: {whose} no category, and severity 3 unless they say another"
            );
            self.loaded.faults.push(first);
        }
        Counts { loaded: by_id.len(), ..counts }
    }

    /// The rule of a text that stands at a place in a file: as it was before where nothing of it changed, else as it is read now. One that
    /// asks for what the sensor lacks is told apart from one that is wrong.
    fn statement(
        &mut self,
        text: &str,
        (file, place, digest): (&str, (u32, u32), Digest),
        (environment, reader, sets): (&Environment, &Arc<TextReader>, &mut Sets),
        remembered: Option<Remembered>,
    ) -> Result<Result<Arc<Entry>, Fault>, Fault> {
        let names = &mut self.loader.names;
        let known = self.known.get(&(reader.digest, digest));
        if let Some(&entry) = known.filter(|entry| outside::is_current(entry, file, environment, names)) {
            return Ok(Ok(Arc::clone(entry)));
        }
        let mut entry = match remembered {
            Some(known) => Entry::known(known, (digest, place), text, Arc::clone(reader) as Arc<dyn Reader>),
            None => match read(text, (file, place, digest), environment, names, sets)? {
                Outcome::Skipped(lacking) => return Ok(Err(lacking)),
                Outcome::Rule(rule) => {
                    self.loaded.unknown += usize::from(rule.outside.is_empty());
                    {
                        let outline = Outline::of(&rule).encode();
                        Entry::of(rule, outline, text, Arc::clone(reader) as Arc<dyn Reader>)
                    }
                }
            },
        };
        if self.environments.len() < 2 {
            return Ok(Ok(Arc::new(entry)));
        }
        if let Some(other) = self.shared.get(&digest) {
            entry.share(other);
        }
        let entry = Arc::new(entry);
        self.shared.entry(digest).or_insert_with(|| Arc::clone(&entry));
        Ok(Ok(entry))
    }

    /// Puts a rule among those of its environment, where each sid is there once.
    fn put(&mut self, rule: Arc<Entry>, by_id: &mut ById) -> Option<Fault> {
        let rules = &mut self.loaded.set.rules;
        let key = (rule.gid, rule.sid);
        if let Some(other) = by_id.get(&key).and_then(|&at| rules.get_mut(at)) {
            let message = format!("rule {} is there twice; the higher revision is used", rule.sid);
            if rule.rev > other.rev {
                *other = rule;
            }
            return Some(Fault::new(0..0, message, "give each rule its own sid"));
        }
        by_id.insert(key, rules.len());
        rules.push(rule);
        None
    }

    /// Ends the load.
    pub fn finish(self) -> Loaded {
        let Self { loader: Loader { names, readers, .. }, mut loaded, .. } = self;
        for rule in &loaded.set.rules {
            if let Some(first) = &rule.later {
                *loaded.later.entry(first.clone().into_string()).or_default() += 1;
            }
        }
        names.end();
        if names.scripts.use_sets {
            // Which of them a script names is known only when it runs.
            names.datasets.all().iter().for_each(|set| set.note_change());
        }
        readers.iter().for_each(|reader| reader.learn(names));
        loaded.set.flowbits = names.flowbits.list.clone();
        loaded.set.flowints = names.flowints.list.clone();
        loaded.set.hostbits = names.hostbits.list.clone();
        loaded.set.datasets = names.datasets.all();
        loaded
    }
}

/// What to do about a class that nobody knows.
fn unknown_hint(class: &str, environment: &Environment) -> String {
    let hint = nearest(class, environment.classes.0.keys().map(String::as_str));
    if hint.is_empty() { "add it to the classification file".into() } else { hint }
}

/// Places of rules among all, by `(gid, sid)`.
type ById = HashMap<(u32, u32), usize, foldhash::fast::RandomState>;
