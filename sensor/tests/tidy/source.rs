//! Source files as the rules of the house look at them: without comments, texts and tests.

use std::fs;
use std::path::Path;

/// A file of a crate.
pub(crate) struct Source {
    /// Its path below `src`, with `/`.
    pub(crate) path: String,
    /// Its text; comments and what stands in quotes are blank, tests are cut out.
    pub(crate) code: String,
}

/// The files below a folder that are not tests, in order of their paths.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let (mut found, mut tests) = (Vec::new(), Vec::new());
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                let (code, modules) = without_tests(&blank(&fs::read_to_string(&path).unwrap()));
                tests.extend(modules.iter().map(|module| format!("{}/{module}", module_path(&name))));
                found.push(Source { path: name, code });
            }
        }
    }
    let is_test = |path: &str| {
        let module = module_path(path);
        module.ends_with("/tests") || tests.iter().any(|test| format!("{module}/").starts_with(&format!("{test}/")))
    };
    found.retain(|source| !is_test(&source.path));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The path of the module that a file is, with `/`.
pub(crate) fn module_path(path: &str) -> &str {
    path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path)
}

/// The text with blanks for comments and for what stands in quotes.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => quoted(rest),
            'r' if !word || out.ends_with('b') => raw(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let (skipped, after) = rest.split_at(if length == 0 { first.len_utf8() } else { length });
        if length == 0 {
            out.push(first);
        } else {
            out.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    out
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Length of a raw text; 0 where it is none.
fn raw(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|b| *b == b'#').count();
    let Some(inner) = text[1 + hashes..].strip_prefix('"') else { return 0 };
    let end = format!("\"{}", "#".repeat(hashes));
    inner.find(&end).map_or(text.len(), |at| text.len() - inner.len() + at + end.len())
}

/// Length of a character in quotes; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, c))) => {
            text[at + c.len_utf8()..].find('\'').map_or(0, |end| at + c.len_utf8() + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The code without what is there for tests only, and the names of modules that are.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut kept, mut modules, mut rest) = (String::new(), Vec::new(), code);
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let (item, behind) = after.split_at(item_length(after));
        let name = item.trim().strip_suffix(';').and_then(|item| Some(item.rsplit_once("mod ")?.1.trim().to_owned()));
        modules.extend(name);
        rest = behind;
    }
    kept.push_str(rest);
    (kept, modules)
}

/// Where an item, a field or a statement ends.
fn item_length(code: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at,
            '}' if depth == 1 => return at + 1,
            ')' | ']' | '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            // Of a field or a value; parameters of types have commas as well.
            ',' if depth == 0 && !code[..at].contains("fn ") && !code[..at].contains("impl") => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn comments_texts_and_tests_are_no_code() {
    let text = r##"a(); // crate::b
        let s = "crate::c \" crate::d"; let r = r#"crate::e"#; let c = '"'; fn f<'a>() {}
        #[cfg(test)]
        mod tests { use crate::g; }
        #[cfg(test)]
        pub(crate) mod other;
        struct S { #[cfg(test)] field: crate::h, kept: crate::i }"##;
    let (code, modules) = without_tests(&blank(text));
    let left: Vec<&str> = code.split("crate::").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!((left, modules), (vec!["i"], vec!["other".to_owned()]), "{code}");
}
