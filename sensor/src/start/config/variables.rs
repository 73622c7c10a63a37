//! `vars`: the addresses and ports that rules name. A value that means nothing keeps a run from starting, for each rule that asks for it
//! would mean something else or be refused.

use std::collections::BTreeMap;

use tapwire_signatures::language::variables::Sets;

use super::node::{Node, Value};
use super::{Configuration, Problem};

/// What the variables of a kind hold, by name, as written.
type Groups = BTreeMap<String, String>;
/// Whether a value means something under all others.
type Check = fn(&str, &Groups) -> Result<(), String>;

/// Reads all of them.
pub(super) fn read(root: &Node, c: &mut Configuration, refused: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let addresses: Check = |text, groups| Sets::default().addresses(text, groups).map(drop);
    let ports: Check = |text, groups| Sets::default().ports(text, groups).map(drop);
    kind((root.at("vars.address-groups"), addresses), &mut c.address_groups, refused);
    kind((root.at("vars.port-groups"), ports), &mut c.port_groups, refused);
    let home = root.at("vars.address-groups.HOME_NET");
    c.home_is_said = home.is_some();
    if let (Some(home), None) = (home, root.at("vars.address-groups.EXTERNAL_NET"))
        && refused.is_empty()
        && addresses("$EXTERNAL_NET", &c.address_groups).is_err()
    {
        c.address_groups.insert("EXTERNAL_NET".into(), "any".into());
        let message = "nothing is outside of this HOME_NET: EXTERNAL_NET is `any`";
        warnings.push(home.problem(message.into(), "set EXTERNAL_NET too").harmless());
    }
}

fn kind((section, check): (Option<&Node>, Check), groups: &mut Groups, refused: &mut Vec<Problem>) {
    let said = section.map(Node::entries).unwrap_or_default();
    let mut empty = Vec::new();
    for (name, node) in said {
        match text(node) {
            Some(text) => drop(groups.insert(name.clone(), text)),
            None => empty.push((name, node)),
        }
    }
    let hint = "such as `HOME_NET: \"[10.0.0.0/8, 192.168.0.0/16]\"` or `HTTP_PORTS: \"80\"`";
    refused
        .extend(empty.iter().map(|(name, node)| node.key_problem(format!("the variable {name} has no value"), hint)));
    let wrong = |(name, node)| Some((name, node, check(&format!("${name}"), groups).err()?));
    let wrong: Vec<(&String, &Node, String)> =
        said.iter().filter(|(_, node)| text(node).is_some()).filter_map(|(name, node)| wrong((name, node))).collect();
    let is_wrong =
        |name: &str| wrong.iter().any(|(other, _, _)| *other == name) || empty.iter().any(|(other, _)| *other == name);
    // One that names another which is wrong is not to blame; where they name each other, one of them is.
    let blamed =
        wrong.iter().filter(|(name, _, _)| !names(groups, name).any(|other| other != name.as_str() && is_wrong(other)));
    let mut problems: Vec<Problem> = blamed.map(problem).collect();
    if problems.is_empty() && empty.is_empty() {
        problems.extend(wrong.first().map(problem));
    }
    refused.append(&mut problems);
}

/// A value as rules read it: a text, or a list of them.
fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar(text) => Some(text.clone()),
        Value::List(items) => Some(format!("[{}]", items.iter().filter_map(Node::text).collect::<Vec<_>>().join(","))),
        Value::Null | Value::Map(_) => None,
    }
}

/// The variables that the value of one names.
fn names<'g>(groups: &'g Groups, name: &str) -> impl Iterator<Item = &'g str> {
    let text = groups.get(name).map(String::as_str).unwrap_or_default();
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    text.split('$').skip(1).map(move |rest| rest.split(is_end).next().unwrap_or(rest))
}

fn problem((name, node, why): &(&String, &Node, String)) -> Problem {
    let inside = format!("in ${name}: ");
    let why = why.strip_prefix(inside.as_str()).unwrap_or(why);
    let word = why.split('`').nth(1).unwrap_or_default();
    let hint = "correct it: rules on this variable would not match what they are meant to";
    node.word_problem(word, format!("the variable {name} cannot be used: {why}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What refuses some variables of addresses, with their places, or what they are taken for.
    fn read_all(lines: &str) -> Result<(String, usize), Vec<String>> {
        let root = Node::parse(&format!("vars:\n  address-groups:\n{lines}  port-groups:\n    P: \"[80,:1024]\"\n"));
        let (mut c, mut refused, mut warnings) = (Configuration::default(), Vec::new(), Vec::new());
        read(&root, &mut c, &mut refused, &mut warnings);
        if refused.is_empty() {
            return Ok((c.address_groups["EXTERNAL_NET"].clone(), warnings.len()));
        }
        Err(refused.iter().map(|problem| format!("{} {}", problem.line, problem.message)).collect())
    }

    #[test]
    fn a_variable_that_means_nothing_is_refused_once() {
        for (lines, expected) in [
            (
                "    HOME_NET: \"[10.0.0.0/99]\"\n    EXTERNAL_NET: \"!$HOME_NET\"\n",
                "3 the variable HOME_NET cannot be used: `10.0.0.0/99` is no",
            ),
            ("    HOME_NET: any\n    EXTERNAL_NET: \"!$HOME_NET\"\n", "4 the variable EXTERNAL_NET cannot be used: "),
            ("    HOME_NET: \"[10.0.0.0/8\"\n", "3 the variable HOME_NET cannot be used: "),
            ("    HOME_NET: \"\"\n", "3 the variable HOME_NET cannot be used: "),
            ("    HOME_NET:\n    X: \"$HOME_NET\"\n", "3 the variable HOME_NET has no value"),
            ("    HOME_NET: $HOME\n", "3 the variable HOME_NET cannot be used: "),
            ("    A: $B\n    B: $A\n", "3 the variable A cannot be used: "),
        ] {
            let refused = read_all(lines).unwrap_err();
            assert!(refused.len() == 1 && refused[0].starts_with(expected), "{lines}: {refused:?}");
        }
    }

    #[test]
    fn where_all_is_home_all_is_outside() {
        assert_eq!(read_all("    HOME_NET: any\n"), Ok(("any".into(), 1)));
        assert_eq!(read_all("    HOME_NET: [10.0.0.1, 10.0.0.2]\n"), Ok(("!$HOME_NET".into(), 0)));
    }
}
