//! What rules are read with: classes, references, reputation, countries, and the files that they name.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use maxminddb::{PathElement, Reader};
use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::Protocol;
use tapwire_signatures::builder::{Classification, Environment, References};
use tapwire_signatures::language::variables::Sets;
use tapwire_signatures::rule::fault::Fault;
use tapwire_signatures::rule::files::{Countries, Files, Place};
use tapwire_signatures::state::reputation::Reputation;

use super::watch::{Named, stamps};
use super::{Found, LANGUAGE_VERSION, RULE_FILE_LIMIT, read_text};
use crate::inspect::context::Context;
use crate::sinks::plain::read_plain;
use crate::sinks::sets::OwnNames;
use crate::start::cli::Common;
use crate::start::config::{Configuration, Problem};

/// Reads all of it; what cannot be read is told and left out.
pub(super) fn environment(
    common: &Common,
    (configuration, rules): (&Configuration, &[PathBuf]),
    named: &Named,
    found: &mut Found,
) -> Environment {
    let (classes, references) = words(word_files(configuration, rules), found);
    let mut reputation = Reputation::default();
    let lists = &configuration.reputation;
    let (file, text) = read(lists.categories.as_deref(), ("reputation category", ""), found);
    let mut wrong = vec![(file, reputation.read_categories(&text))];
    for list in &lists.lists {
        let (file, text) = read(Some(list), ("reputation", ""), found);
        wrong.push((file, reputation.read_list(&text)));
    }
    for (file, lines) in wrong {
        found.lines.extend(lines.into_iter().map(|(line, message)| Problem::of_line(&file, line, message, "")));
    }
    Environment {
        tenant: 0,
        addresses: configuration.address_groups.clone(),
        ports: configuration.port_groups.clone(),
        classes,
        references,
        keep_text: configuration.eve.iter().any(|e| e.alerts.as_ref().is_some_and(|a| a.rule_text)),
        keep_labels: common.keep_labels,
        version: LANGUAGE_VERSION,
        features: features(configuration, true),
        switched_off: features(configuration, false),
        asn1_elements: configuration.asn1_elements,
        files: files(
            (sets_dir(common, configuration), configuration.rule_path.clone()),
            configuration.rule_files_anywhere,
            configuration.own_names(),
            named.clone(),
        ),
        dataset_limit_bytes: usize::try_from(configuration.datasets.limit_bytes).unwrap_or(usize::MAX),
        datasets: configuration.datasets.sets.clone(),
        absolute_dataset_names: configuration.datasets.absolute_names,
        kept_datasets: configuration.datasets.kept_by_rules,
        uses_datasets: configuration.datasets.enabled,
        flowbit_limit: configuration.flowbit_limit,
        reputation: Arc::new(reputation),
        countries: countries(configuration, &mut found.faults),
        scripts: configuration.scripts,
        lists_stamp: Some(stamps(lists_of(configuration).iter().map(PathBuf::as_path))),
    }
}

/// The name and the text of a file, where one is named that can be read.
fn read(path: Option<&Path>, (what, instead): (&str, &str), found: &mut Found) -> (String, String) {
    let Some(path) = path else { return (String::new(), String::new()) };
    match read_text(path) {
        Ok(text) => (path.display().to_string(), text),
        Err(error) => {
            let message = format!("the {what} file cannot be read{instead}: {error}");
            found.warnings.push(Problem::of_file(path, message, "check the path and its permissions"));
            (String::new(), String::new())
        }
    }
}

/// The files of classes and of kinds of references: those that the configuration names, else those that lie beside rule files.
pub(super) fn word_files(configuration: &Configuration, rules: &[PathBuf]) -> [Option<PathBuf>; 2] {
    let beside = |name| {
        rules.iter().filter_map(|path| path.parent()).map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    [
        configuration.classification_file.clone().or_else(|| beside("classification.config")),
        configuration.reference_config_file.clone().or_else(|| beside("reference.config")),
    ]
}

/// The classes and kinds of references of some files; the usual ones where there is no file.
pub(super) fn words(files: [Option<PathBuf>; 2], found: &mut Found) -> (Classification, References) {
    let [class_file, reference_file] = files;
    let (class_file, text) = read(class_file.as_deref(), ("classification", ", and the usual classes are used"), found);
    let (mut classes, class_faults) = Classification::parse(&text);
    if class_file.is_empty() {
        classes = Classification::usual();
    }
    let (reference_file, text) =
        read(reference_file.as_deref(), ("reference", ", and the usual kinds are used"), found);
    let (mut references, reference_faults) = References::parse(&text);
    if reference_file.is_empty() {
        references = References::usual();
    }
    for (file, faults) in [(class_file, class_faults), (reference_file, reference_faults)] {
        let problem = |(line, fault): (u32, Fault)| Problem::of_line(&file, line, fault.message, &fault.hint);
        found.lines.extend(faults.into_iter().map(problem));
    }
    (classes, references)
}

/// The files of reputation and of countries.
fn lists_of(configuration: &Configuration) -> Vec<PathBuf> {
    let lists = &configuration.reputation;
    lists.categories.iter().chain(&lists.lists).chain(&configuration.countries).cloned().collect()
}

/// What the configuration says of networks: the table that it names, and what is home where it says so.
pub(super) fn context(configuration: &Configuration, found: &mut Found) -> Context {
    let mut context = Context::default();
    if configuration.home_is_said {
        let home = Sets::default().addresses("$HOME_NET", &configuration.address_groups);
        context.home = home.ok();
    }
    let (file, text) = read(configuration.context.as_deref(), ("table of networks", ""), found);
    let wrong = context.read(&text).into_iter();
    found.lines.extend(wrong.map(|(line, message, hint)| Problem::of_line(&file, line, message, hint)));
    context
}

/// The files beside the rules that are read with them.
pub(super) fn beside_rules(configuration: &Configuration, rules: &[PathBuf]) -> Vec<PathBuf> {
    let words = word_files(configuration, rules).into_iter().flatten();
    let named = configuration.threshold_file.iter().chain(&configuration.context).cloned();
    words.chain(named).chain(lists_of(configuration)).collect()
}

/// The folder of what rules keep from run to run.
pub(super) fn data_dir(common: &Common, configuration: &Configuration) -> Option<PathBuf> {
    common.data_dir.clone().or_else(|| configuration.data_dir.clone())
}

/// The folder of the sets that rules keep.
pub(super) fn sets_dir(common: &Common, configuration: &Configuration) -> Option<PathBuf> {
    let data = data_dir(common, configuration);
    match &configuration.datasets.folder {
        Some(folder) => Some(data.unwrap_or_default().join(folder)),
        None => data,
    }
}

/// What rules may require of protocols, or with `on` false what of that is switched off.
fn features(configuration: &Configuration, on: bool) -> Vec<String> {
    let of_card = |card: &&'static Protocol| {
        let said = configuration.protocols.get(card.name);
        let is_on = move |switch: &str| said.is_none_or(|said| said.settings.switch(switch, true));
        card.features.iter().filter(move |(_, switch)| is_on(switch) == on).map(|(name, _)| (*name).to_owned())
    };
    REGISTRY.iter().flat_map(|card| of_card(card)).collect()
}

/// A file that a rule names lies beside the rule file, else where the configuration says that rules lie, else in the folder of data;
/// elsewhere only where `anywhere` says so, or for what the configuration names, which stands in no rule file.
pub(super) fn files(
    (data, rules): (Option<PathBuf>, Option<PathBuf>),
    anywhere: bool,
    own: OwnNames,
    named: Named,
) -> Files {
    let find = Arc::new(move |place: Place<'_>| match place {
        Place::Beside(rule_file, name) => {
            let beside = Path::new(rule_file).parent().map(Path::to_owned);
            let folders = [beside, rules.clone(), data.clone()].into_iter().flatten();
            find_below(folders, Path::new(name), anywhere || rule_file.is_empty())
        }
        Place::State(name) => Ok(data.as_ref().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))),
    });
    let read = |place: io::Result<PathBuf>| place.and_then(|path| read_bytes(&path));
    let (beside, state, kept) = (Arc::clone(&find), Arc::clone(&find), Arc::clone(&find));
    let if_there = |result: io::Result<Vec<u8>>| match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let files = Files::new(
        move |rule_file, name| read(beside(Place::Beside(rule_file, name))).map_err(|error| error.to_string()),
        move |name| if_there(read(state(Place::State(name)))),
    );
    let files = files.with_kept(move |name| match own.refuse(Path::new(name)) {
        Some(why) => Err(why.to_owned()),
        None => if_there(read(kept(Place::State(name)))),
    });
    files.with_stamps(move |place| {
        // A file that is not there stays the same until it is.
        Some(find(place).ok().and_then(|path| named.stamp(path)).unwrap_or(0))
    })
}

/// The file of a name in the first of some folders that has it.
fn find_below(folders: impl Iterator<Item = PathBuf>, name: &Path, anywhere: bool) -> io::Result<PathBuf> {
    let leaves = || {
        let why = "leads out of the folders of rules and data; `tapwire.rules.files-anywhere` allows that";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    };
    if !anywhere && !name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return leaves();
    }
    for folder in folders {
        let path = folder.join(name);
        if !path.exists() {
            continue;
        }
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        // Links may lead anywhere in the folder.
        return if anywhere || path.canonicalize()?.starts_with(folder.canonicalize()?) { Ok(path) } else { leaves() };
    }
    if anywhere { Ok(name.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
}

pub(super) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    read_plain(path, RULE_FILE_LIMIT)
}

fn countries(configuration: &Configuration, faults: &mut Vec<Problem>) -> Option<Countries> {
    let path = configuration.countries.as_ref()?;
    let read = read_plain(path, RULE_FILE_LIMIT).map_err(|error| error.to_string());
    match read.and_then(|bytes| Reader::from_source(bytes).map_err(|error| error.to_string())) {
        Ok(reader) => Some(Countries::new(move |address| {
            let place = [PathElement::Key("country"), PathElement::Key("iso_code")];
            let code: Option<&str> = reader.lookup(address).ok()?.decode_path(&place).ok()?;
            code?.as_bytes().try_into().ok()
        })),
        Err(error) => {
            let message = format!("the database of countries cannot be read: {error}");
            faults.push(Problem::of_file(path, message, "a file in MaxMind's format, such as GeoLite2-Country.mmdb"));
            None
        }
    }
}
