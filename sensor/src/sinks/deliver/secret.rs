//! Passwords and tokens: read from a file or the environment each time they are needed, so that a new one counts at once, and shown by nothing.

use std::fmt;
use std::path::PathBuf;

use super::transport::Trouble;
use crate::sinks::plain::read_plain;

/// Bytes of the longest secret.
const LIMIT: u64 = 64 << 10;

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The content of a file, without the white space around it.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// What a configuration of Suricata has in the open.
    Text(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "the secret in {}", path.display()),
            Self::Variable(name) => write!(formatter, "the secret in ${name}"),
            Self::Text(_) => formatter.write_str("a secret"),
        }
    }
}

impl Secret {
    /// What it is.
    pub fn read(&self) -> Result<String, Trouble> {
        let text = match self {
            Self::File(path) => {
                let bytes = read_plain(path, LIMIT)
                    .map_err(|error| Trouble::away(format!("the secret {} cannot be read: {error}", path.display())))?;
                String::from_utf8(bytes).unwrap_or_default()
            }
            Self::Variable(name) => std::env::var(name).unwrap_or_default(),
            Self::Text(text) => text.clone(),
        };
        let text = text.trim();
        // It goes into headers and commands that end with a line.
        if text.is_empty() || text.contains(char::is_control) {
            return Err(Trouble::away(format!("{self:?} is empty, or no text of one line")));
        }
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_shown_by_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Secret::File(path)
        };
        assert_eq!(file("a", " hunter2\n").read().unwrap(), "hunter2");
        assert!(std::env::var("PATH").is_ok() && Secret::Variable("PATH".into()).read().is_ok());
        for wrong in [
            file("b", "\n"),
            file("c", "two\nlines"),
            Secret::Variable("TAPWIRE_NO_SUCH".into()),
            Secret::File("/nowhere".into()),
        ] {
            assert!(wrong.read().is_err());
        }
        let shown = format!("{:?}", Secret::Text("hunter2".into()));
        assert!(!shown.contains("hunter2"));
    }
}
