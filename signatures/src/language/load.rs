//! Rule files to a rule set, with everything that is wrong reported at once.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::builder::{Argument, Builder, Names, SharedNames};
use super::cache::Cache;
use super::classification::Classification;
use super::digest::Digest;
use super::entry::{Entry, Reader};
use super::fault::Fault;
use super::files::{Countries, Files};
use super::labels::Labels;
use super::references::References;
use super::rule::{FlowCondition, Rule, RuleProtocol, RuleSet};
use super::variables::Sets;
use super::{check, header, lexer, outside, protocols};
use crate::plan::Plan;
use crate::state::reputation::Reputation;
use crate::{keywords, lua};

/// What rules are read with.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Address variables by name, as written.
    pub addresses: BTreeMap<String, String>,
    /// Port variables by name, as written.
    pub ports: BTreeMap<String, String>,
    /// Classes of rules.
    pub classes: Classification,
    /// Kinds of references.
    pub references: References,
    /// Whether rules keep their text, for records that show it.
    pub keep_text: bool,
    /// Whether rules keep which of their options made which condition, to be explained.
    pub keep_labels: bool,
    /// The version of the rule language, for `requires`.
    pub version: (u32, u32, u32),
    /// Names of what the sensor can do, for `requires`.
    pub features: Vec<String>,
    /// What scripts of rules are allowed.
    pub scripts: lua::Settings,
    /// Elements of ASN.1 that a rule looks at.
    pub asn1_elements: u16,
    /// Files that rules name.
    pub files: Files,
    /// Bytes of values that rules may add to a set that says nothing of it.
    pub dataset_limit_bytes: usize,
    /// Sets that the configuration has: the rest of a `dataset` keyword, such as `seen,type string`.
    pub datasets: Vec<String>,
    /// Whether rules may name sets' files by absolute paths.
    pub absolute_dataset_names: bool,
    /// Lists of addresses with scores.
    pub reputation: Arc<Reputation>,
    /// The database of countries.
    pub countries: Option<Countries>,
    /// A number that changes whenever those lists or that database do; without it rules on them are read again by each load.
    pub lists_stamp: Option<u64>,
}

impl Environment {
    /// That of all that any rule may depend on; lists and files are looked at for the rules that name them.
    fn digest(&self) -> Digest {
        let text = format!(
            "{:?}",
            (
                (&self.addresses, &self.ports, &self.classes, &self.references, self.keep_text, self.version),
                (&self.features, self.scripts, self.dataset_limit_bytes, &self.datasets, self.absolute_dataset_names),
                self.asn1_elements,
            )
        );
        Digest::of(&text)
    }
}

/// A rule file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A fault and where it is.
#[derive(Clone, Debug)]
pub struct Located {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column of its first byte, from 1, in the rule's first line where the rule is one line.
    pub column: u32,
    /// Whether the rule is used all the same.
    pub warning: bool,
    /// What is wrong.
    pub fault: Fault,
    /// The rule's text.
    pub text: String,
}

/// What a load gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules.
    pub set: RuleSet,
    /// What was wrong, in order of the files.
    pub faults: Vec<Located>,
    /// Rules that were left out because the sensor lacks what they require.
    pub skipped: Vec<Located>,
    /// Rules that cannot match yet, by the keyword or protocol that is missing.
    pub later: BTreeMap<String, usize>,
    /// Rules that neither the plan before nor a run before knew, and that a later run could.
    pub unknown: usize,
}

/// Reads rule files.
pub fn load(sources: &[Source], environment: &Environment) -> Loaded {
    Loader::default().load(sources, environment, None)
}

/// Reads rule files, again and again: names keep their numbers and sets their places, so that what flows and hosts keep goes on
/// to mean the same.
#[derive(Debug, Default)]
pub struct Loader {
    names: SharedNames,
    /// What reads rules again, and that of what they are read with.
    reader: Option<(Digest, Arc<Reader>)>,
    /// What a run before knew, for the first load.
    cache: Option<Cache>,
}

impl Loader {
    /// Takes over for the first load what [`super::cache::write`] left, if that was the same program. Whether it did.
    pub fn recall(&mut self, bytes: &[u8], program: &str) -> bool {
        self.cache = Cache::read(bytes, program);
        self.cache.is_some()
    }

    /// Reads rule files. A rule of the plan that was made of the load before is taken from there if nothing of it changed.
    pub fn load<S: Borrow<Source>>(
        &mut self,
        sources: impl IntoIterator<Item = S>,
        environment: &Environment,
        before: Option<&Plan>,
    ) -> Loaded {
        let mut loaded = Loaded::default();
        let (names, mut sets) = (&mut self.names, Sets::default());
        names.begin();
        loaded.set.environment = environment.digest();
        let before = before.filter(|before| before.environment() == loaded.set.environment);
        let known: HashMap<Digest, &Arc<Entry>, foldhash::fast::RandomState> =
            before.into_iter().flat_map(Plan::entries).map(|entry| (entry.digest, entry)).collect();
        let cache = self.cache.take().filter(|cache| cache.environment == loaded.set.environment && known.is_empty());
        let Cache { names: recalled, rules: mut remembered, .. } = cache.unwrap_or_default();
        if !remembered.is_empty() {
            [names.flowbits, names.flowints, names.hostbits] = recalled.map(Names::of);
        }
        let reader = match self.reader.take() {
            Some((digest, reader)) if digest == loaded.set.environment => reader,
            _ => Arc::new(Reader::new(environment)),
        };
        let mut by_id: HashMap<(u32, u32), usize, foldhash::fast::RandomState> = HashMap::default();
        for text in &environment.datasets {
            if let Err(fault) = keywords::dataset::define(names, environment, text) {
                let file = "datasets".to_owned();
                loaded.faults.push(Located { file, line: 0, column: 0, warning: false, fault, text: String::new() });
            }
        }
        for (file, source) in (0..).zip(sources) {
            let source = source.borrow();
            for statement in lexer::statements(&source.text) {
                let locate = |fault: Fault, warning: bool| Located {
                    file: source.name.clone(),
                    line: statement.line,
                    column: u32::try_from(fault.span.start).unwrap_or(0).saturating_add(1),
                    warning,
                    text: statement.text.clone().into_owned(),
                    fault,
                };
                let digest = Digest::of(&*statement.text);
                let current =
                    known.get(&digest).filter(|entry| outside::is_current(entry, &source.name, environment, names));
                let place = (file, statement.line);
                let outcome = match (current, remembered.remove(&digest)) {
                    (Some(&entry), _) => Ok(Ok(Arc::clone(entry))),
                    (None, Some(known)) => {
                        Ok(Ok(Arc::new(Entry::known(known, (digest, place), &statement.text, &reader))))
                    }
                    (None, None) => {
                        let read = read(&statement.text, (&source.name, place, digest), environment, names, &mut sets);
                        read.map(|outcome| match outcome {
                            Outcome::Rule(rule) => {
                                loaded.unknown += usize::from(rule.outside.is_empty());
                                Ok(Arc::new(Entry::of(rule, &statement.text, &reader)))
                            }
                            Outcome::Skipped(fault) => Err(fault),
                        })
                    }
                };
                match outcome {
                    Ok(Err(lacking)) => loaded.skipped.push(locate(lacking, true)),
                    Ok(Ok(rule)) => {
                        let key = (rule.gid, rule.sid);
                        match by_id.get(&key).and_then(|&i| loaded.set.rules.get_mut(i)) {
                            Some(other) => {
                                let message = format!("rule {} is there twice; the higher revision is used", rule.sid);
                                let fault = Fault::new(0..0, message, "give each rule its own sid");
                                loaded.faults.push(locate(fault, true));
                                if rule.rev > other.rev {
                                    *other = rule;
                                }
                            }
                            None => {
                                by_id.insert(key, loaded.set.rules.len());
                                loaded.set.rules.push(rule);
                            }
                        }
                    }
                    Err(fault) => loaded.faults.push(locate(fault, false)),
                }
            }
        }
        for rule in &loaded.set.rules {
            if let Some(first) = &rule.later {
                *loaded.later.entry(first.clone().into_string()).or_default() += 1;
            }
        }
        names.end();
        reader.learn(names);
        self.reader = Some((loaded.set.environment, reader));
        loaded.set.flowbits = names.flowbits.list.clone();
        loaded.set.flowints = names.flowints.list.clone();
        loaded.set.hostbits = names.hostbits.list.clone();
        loaded.set.datasets = names.datasets.all();
        loaded
    }
}

/// What a text turned out to be.
pub(super) enum Outcome {
    /// A rule.
    Rule(Box<Rule>),
    /// One that asks for what the sensor lacks.
    Skipped(Fault),
}

/// Reads one rule, which stands at a place in a file.
pub(super) fn read(
    text: &str,
    (file, place, digest): (&str, (u32, u32), Digest),
    environment: &Environment,
    names: &mut SharedNames,
    sets: &mut Sets,
) -> Result<Outcome, Fault> {
    let (head, options) = lexer::split(text)?;
    // What is not for this sensor may be written in a language that it does not know.
    for option in options.iter().filter(|option| option.keyword == "requires") {
        let argument = Argument { keyword: option.keyword, text: option.text, span: option.span.clone() };
        if let Some(lacking) = keywords::unmet(&argument, environment)? {
            return Ok(Outcome::Skipped(lacking));
        }
    }
    let header = header::read(head, environment, sets)?;
    let text_kept = environment.keep_text.then(|| text.to_owned());
    let rule = Rule { place, digest, ..empty(header, text_kept) };
    let mut labels = environment.keep_labels.then(|| Labels::new(head));
    let mut builder = Builder::new(rule, file, names, environment);
    for option in &options {
        let Some(keyword) = keywords::find(option.keyword) else {
            return Err(Fault::new(
                option.span.clone(),
                format!("`{}` is no keyword", option.keyword),
                "check its spelling",
            ));
        };
        let argument = Argument { keyword: option.keyword, text: option.text, span: option.span.clone() };
        builder.option = option.span.clone();
        (keyword.parse)(&mut builder, &argument)?;
        if let Some(labels) = &mut labels {
            labels.note(&builder.rule, option);
        }
    }
    if let Some(labels) = &mut labels {
        labels.finish(&builder, &options);
    }
    check::finish(&mut builder, text.len())?;
    let mut rule = builder.rule;
    rule.labels = labels.map(Box::new);
    if let RuleProtocol::Application(name) = rule.protocol
        && !protocols::is_parsed(name)
    {
        rule.later.insert(0, name);
    }
    rule.sections.iter_mut().for_each(|s| s.items.shrink_to_fit());
    rule.sections.shrink_to_fit();
    rule.references.shrink_to_fit();
    rule.outside.shrink_to_fit();
    Ok(Outcome::Rule(Box::new(rule)))
}

fn empty(header: header::Header, text: Option<String>) -> Rule {
    Rule {
        action: header.action,
        protocol: header.protocol,
        hook: header.hook,
        source: header.source,
        arrow: header.arrow,
        destination: header.destination,
        gid: 1,
        sid: 0,
        rev: 0,
        message: String::new(),
        class: "".into(),
        category: "".into(),
        severity: 0,
        references: Vec::new(),
        metadata: Box::default(),
        target: None,
        flow: FlowCondition::default(),
        sections: Vec::new(),
        scripts: Vec::new(),
        packet: Vec::new(),
        transaction: Vec::new(),
        file: Vec::new(),
        events: Vec::new(),
        app_protocol: Vec::new(),
        flowbits: Vec::new(),
        flowints: Vec::new(),
        hostbits: Vec::new(),
        threshold: None,
        detection_filter: None,
        tags: Vec::new(),
        alert: false,
        noalert: false,
        variable_tests: Vec::new(),
        bypass: false,
        silence: None,
        filestore: false,
        prefilter: false,
        later: Vec::new(),
        variables: 0,
        place: (0, 0),
        digest: Digest::default(),
        outside: Vec::new(),
        text,
        labels: None,
    }
}
