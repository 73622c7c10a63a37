//! Rule files to a rule set, with everything that is wrong reported at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builder::{Argument, Builder, SharedNames};
use super::classification::Classification;
use super::digest::Digest;
use super::fault::Fault;
use super::files::{Countries, Files};
use super::labels::Labels;
use super::loading::Loader;
use super::references::References;
use super::rule::{FlowCondition, Rule, RuleProtocol, RuleSet};
use super::variables::Sets;
use super::{check, header, lexer, protocols};
use crate::state::reputation::Reputation;
use crate::{keywords, lua};

/// What rules are read with.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Whose rules they are: the number of a tenant, 0 where there are none.
    pub tenant: u32,
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
    pub(super) fn digest(&self) -> Digest {
        let text = format!(
            "{:?}",
            (
                (&self.addresses, &self.ports, &self.classes, &self.references, self.keep_text, self.version),
                (&self.features, self.scripts, self.dataset_limit_bytes, &self.datasets, self.absolute_dataset_names),
                (self.asn1_elements, self.tenant),
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
        filestore: None,
        keeps_certificates: false,
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
