//! Scripts as outputs (`outputs`: `lua`): each is shown what its `init` asks for and writes files below the log folder.

use std::collections::BTreeMap;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tapwire_signatures::lua::{Open, OutputScript, RunningOutput};
use tapwire_signatures::verify::condition::{FlowView, PacketView};

use crate::records::subject::Subject;
use crate::sinks::open::Folder;

/// The scripts of a run.
#[derive(Default)]
pub struct Scripts(Vec<RunningOutput>);

impl Scripts {
    /// Starts the scripts of a configuration.
    pub fn start(scripts: &[Arc<OutputScript>], folder: &Path) -> io::Result<Self> {
        let start = |script: &Arc<OutputScript>| script.start(folder.display().to_string(), opener(folder.to_owned()));
        scripts.iter().map(start).collect::<Result<_, _>>().map(Self).map_err(io::Error::other)
    }

    /// Shows something to those that want it; `flow` is what is known of its flow by now.
    pub fn show(&mut self, subject: &Subject, data: &[u8], flow: Option<&FlowView>) {
        let packet = subject.packet(data);
        let view = PacketView { packet: &packet, flow, stream_anomalies: &[] };
        let transaction = subject.transaction();
        for script in self.0.iter_mut().filter(|script| script.shown == subject.kind) {
            script.log(&view, transaction.as_ref());
        }
    }

    /// Makes what they wrote readable.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.iter_mut().try_for_each(RunningOutput::flush)
    }

    /// Ends them and adds up how often they failed; what they failed with.
    pub fn finish(&mut self, counters: &mut BTreeMap<String, u64>) -> io::Result<Vec<String>> {
        let mut messages = Vec::new();
        for mut script in self.0.drain(..) {
            messages.extend(script.finish()?);
            for (name, count) in script.failures.counters() {
                *counters.entry(name.into()).or_default() += count;
            }
        }
        Ok(messages)
    }
}

/// Opens plain files below a folder and nothing else.
fn opener(folder: PathBuf) -> Open {
    Box::new(move |name, append| {
        let path = Path::new(name);
        let file = Folder::make(&folder)?.file(path.strip_prefix(&folder).unwrap_or(path), append)?;
        Ok(Box::new(BufWriter::new(file)))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_files_below_the_folder_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, outside) = (folder.path().join("logs"), folder.path().join("outside"));
        std::fs::create_dir_all(logs.join("inner")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, logs.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.join("file"), logs.join("link.log")).unwrap();
        let open = opener(logs.clone());
        let full = |name: &str| logs.join(name).display().to_string();
        for name in ["a.log".to_owned(), full("b.log"), full("inner/c.log"), "./d.log".into()] {
            let opened = open(&name, true).map(|mut file| file.write_all(b"x"));
            assert_eq!(opened.is_ok(), name != "./d.log", "{name}");
        }
        for name in ["", ".", "..", "../x", "/tmp/x", "inner", "inner/../../x", "link/x", "link.log"] {
            for name in [name.to_owned(), full(name)] {
                assert!(open(&name, false).is_err(), "{name}");
            }
        }
        assert_eq!(std::fs::read(logs.join("inner/c.log")).unwrap(), b"x");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }
}
