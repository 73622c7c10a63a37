//! Rule files to a rule set, with everything that is wrong reported at once.

use std::collections::BTreeMap;

use super::loading::Loader;
use super::variables::Sets;
use super::{check, header, lexer, point};
use crate::builder::nearest::nearest;
use crate::builder::{Argument, Builder, Environment, SharedNames};
use crate::keywords;
use crate::rule::digest::Digest;
use crate::rule::fault::Fault;
use crate::rule::labels::Labels;
use crate::rule::{FlowCondition, Rule, RuleProtocol, RuleSet, protocols};

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
    /// Line, from 1: of several that are one rule, the one that is meant.
    pub line: u32,
    /// Column of its first byte, from 1.
    pub column: u32,
    /// Bytes of what is wrong, from there on; 0 where that is not known.
    pub length: u32,
    /// Whether the rule is used all the same.
    pub warning: bool,
    /// What is wrong.
    pub fault: Fault,
    /// The rule's text, or that line of it where it is not the first one.
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
    place: (&str, (u32, u32), Digest),
    environment: &Environment,
    names: &mut SharedNames,
    sets: &mut Sets,
) -> Result<Outcome, Fault> {
    read_options(text, place, environment, names, sets).map_err(|fault| point::at_its_word(fault, text))
}

fn read_options(
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
            let hint = match nearest(option.keyword, keywords::names()) {
                none if none.is_empty() => "check its spelling".into(),
                hint => hint,
            };
            return Err(Fault::new(option.place.clone(), format!("`{}` is no keyword", option.keyword), hint));
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
        packet_hook: header.packet_hook,
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
        place: (0, 0),
        digest: Digest::default(),
        outside: Vec::new(),
        text,
        labels: None,
    }
}
