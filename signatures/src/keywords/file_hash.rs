//! `filemd5`, `filesha1` and `filesha256`: whether the digest of a file is in a list.
//!
//! A list has one digest in hexadecimal to a line, as md5sum and its kin write them; what follows a blank is passed over.

use std::collections::HashSet;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::condition::{FileCondition, FileView, Verdict};
use crate::rule::dataset::Key;
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "filemd5",
        aliases: &[],
        doc: "Holds for files whose MD5 digest is in a list beside the rule file, or with `!` is not.",
        examples: &[],
        parse: |b, a| parse(b, a, Digest::Md5),
    },
    Keyword {
        name: "filesha1",
        aliases: &[],
        doc: "Holds for files whose SHA-1 digest is in a list beside the rule file, or with `!` is not.",
        examples: &[],
        parse: |b, a| parse(b, a, Digest::Sha1),
    },
    Keyword {
        name: "filesha256",
        aliases: &[],
        doc: "Holds for files whose SHA-256 digest is in a list beside the rule file, or with `!` is not.",
        examples: &[],
        parse: |b, a| parse(b, a, Digest::Sha256),
    },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digest {
    Md5,
    Sha1,
    Sha256,
}

impl Digest {
    fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn of<'a>(self, file: &FileView<'a>) -> Option<&'a [u8]> {
        match self {
            Self::Md5 => file.md5.map(<[u8; 16]>::as_slice),
            Self::Sha1 => file.sha1.map(<[u8; 20]>::as_slice),
            Self::Sha256 => file.sha256.map(<[u8; 32]>::as_slice),
        }
    }
}

#[derive(Debug)]
struct Listed {
    digest: Digest,
    list: HashSet<Key>,
    negated: bool,
}

impl FileCondition for Listed {
    fn holds(&self, file: &FileView<'_>) -> Verdict {
        match self.digest.of(file) {
            _ if !file.closed => Verdict::NotYet,
            Some(digest) if self.list.contains(digest) != self.negated => Verdict::Yes,
            _ => Verdict::No,
        }
    }

    fn hashes(&self) -> [bool; 3] {
        [Digest::Md5, Digest::Sha1, Digest::Sha256].map(|digest| digest == self.digest)
    }
}

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>, digest: Digest) -> Result<(), Fault> {
    let text = argument.required()?;
    let (name, negated) = text.strip_prefix('!').map_or((text, false), |name| (name.trim_start(), true));
    let bytes = builder.beside(name).map_err(|message| {
        argument.fault(format!("`{name}` cannot be read: {message}"), "it is looked for beside the rule file")
    })?;
    let mut list = HashSet::new();
    for (number, line) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
        let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else { continue };
        let decoded = HEXLOWER_PERMISSIVE.decode(word.as_bytes()).ok();
        let decoded = decoded.filter(|bytes| bytes.len() == digest.length()).ok_or_else(|| {
            argument.fault(format!("{name}:{number}: this is no such digest"), "one in hexadecimal to a line")
        })?;
        list.insert(Key::from_vec(decoded));
    }
    builder.rule.file.push(Box::new(Listed { digest, list, negated }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Environment;
    use crate::language::load::{Source, load};
    use crate::rule::files::Files;

    #[test]
    fn a_file_is_known_by_its_digest() {
        let lists = |_: &str, name: &str| match name {
            "good" => Ok(b"# known\n000102030405060708090A0B0C0D0E0F  a.exe\n".to_vec()),
            _ => Ok(b"0001\n".to_vec()),
        };
        let environment = Environment { files: Files::new(lists, |_| Ok(None)), ..Environment::default() };
        let read = |options: &str| {
            let text = format!("alert http any any -> any any ({options}; sid:1;)");
            load(&[Source { name: "own.rules".into(), text }], &environment)
        };
        let own = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let view = |closed, md5| FileView {
            number: 1,
            name: b"a",
            size: 1,
            begins: 0,
            contents: None,
            kind: None,
            closed,
            complete: closed,
            md5,
            sha1: None,
            sha256: None,
        };
        for (options, closed, md5, verdict) in [
            ("filemd5:good", true, Some(&own), Verdict::Yes),
            ("filemd5:!good", true, Some(&own), Verdict::No),
            ("filemd5:!good", true, Some(&[9; 16]), Verdict::Yes),
            ("filemd5:good", false, None, Verdict::NotYet),
            ("filemd5:!good", true, None, Verdict::No),
        ] {
            let loaded = read(options);
            let rule = loaded.set.rules[0].rule().unwrap();
            assert_eq!(rule.file[0].holds(&view(closed, md5)), verdict, "{options}");
        }
        assert_eq!(read("filesha1:good").faults.len(), 1, "digests of another length");
        assert_eq!(read("filemd5:bad").faults.len(), 1);
    }
}
