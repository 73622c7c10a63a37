//! Each tenant's rules are read with what its own configuration says: the files and words that it has, in the place of those of all.

use std::collections::HashSet;
use std::iter;
use std::path::PathBuf;

use tapwire_signatures::builder::Environment;

use super::environment::{beside_rules, files, sets_dir, word_files, words};
use super::watch::Named;
use super::{Found, sources};
use crate::sinks::sets::tenant_folder;
use crate::start::cli::Common;
use crate::start::config::{Configuration, Problem, Tenant};

/// The configurations that rules are read with: that of nobody first, then one for each tenant.
pub(super) fn configurations(main: &Configuration) -> impl Iterator<Item = (u32, &Configuration)> {
    let tenants = main.tenants().iter().map(|tenant| (tenant.id, &tenant.configuration));
    iter::once((0, main)).chain(tenants)
}

/// The rule files of each of them.
pub(super) fn paths(common: &Common, main: &Configuration, found: &mut Found) -> Vec<Vec<PathBuf>> {
    found.unread += main.tenants().iter().filter(|tenant| tenant.is_unread).count();
    let default_rules = main.tenancy.as_ref().is_none_or(|tenancy| tenancy.default_rules);
    let of_tenants = Common { rules: Vec::new(), ..common.clone() };
    let one = |(tenant, configuration): (u32, &Configuration)| match tenant {
        0 if !default_rules => Vec::new(),
        0 => sources::paths(common, configuration, found),
        _ => sources::paths(&of_tenants, configuration, found),
    };
    configurations(main).map(one).collect()
}

/// The files that are read beside rule files.
pub(super) fn beside_all(main: &Configuration, rules: &[Vec<PathBuf>]) -> Vec<PathBuf> {
    let beside = configurations(main).zip(rules).flat_map(|((_, own), rules)| beside_rules(own, rules));
    main.tenants().iter().map(|tenant| tenant.file.clone()).chain(beside).collect()
}

/// What a tenant's rules are read with. Lists of reputation and of countries are those of all.
pub(super) fn environment(
    (environment, main): (&Environment, (&Configuration, &[PathBuf])),
    (Tenant { id, configuration, .. }, rules): (&Tenant, &[PathBuf]),
    common: &Common,
    named: &Named,
    found: &mut Found,
) -> Environment {
    let own = word_files(configuration, rules);
    let (main, rules) = main;
    let (classes, references) = if own == [None, None] || own == word_files(main, rules) {
        (environment.classes.clone(), environment.references.clone())
    } else {
        words(own, found)
    };
    let data = sets_dir(common, main).unwrap_or_default().join(tenant_folder(*id));
    Environment {
        tenant: *id,
        addresses: configuration.address_groups.clone(),
        ports: configuration.port_groups.clone(),
        classes,
        references,
        files: files(
            (Some(data), configuration.rule_path.clone()),
            main.rule_files_anywhere,
            main.own_names(),
            named.clone(),
        ),
        ..environment.clone()
    }
}

/// Tells once what several tenants have from the same file.
pub(super) fn tell_once(found: &mut Found) {
    for list in [&mut found.faults, &mut found.lines, &mut found.warnings] {
        let mut told = HashSet::new();
        list.retain(|Problem { file, line, column, message, .. }: &Problem| {
            told.insert((file.clone(), *line, *column, message.clone()))
        });
    }
}
