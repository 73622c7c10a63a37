//! Records as they are read: line by line, what is shown of each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::capture::compression;
use crate::sinks::log::search::is_segment;

/// Bytes of the longest line.
const LINE_BYTES: u64 = 64 << 20;
/// Folders in folders.
const DEPTH: usize = 4;

/// What is shown of a record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) timestamp: String,
    pub(super) event_type: String,
    pub(super) src_ip: Option<String>,
    pub(super) src_port: Option<u16>,
    pub(super) dest_ip: Option<String>,
    pub(super) dest_port: Option<u16>,
    pub(super) proto: Option<String>,
    pub(super) app_proto: Option<String>,
    pub(super) alert: Option<Alert>,
    pub(super) flow: Option<Flow>,
    pub(super) anomaly: Option<Anomaly>,
    pub(super) stats: Option<Value>,
}

/// What an alert says of its rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alert {
    pub(super) gid: u64,
    pub(super) signature_id: u64,
    pub(super) signature: String,
    pub(super) category: String,
    pub(super) severity: u8,
}

/// What a record says of a flow.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Flow {
    pub(super) start: String,
    pub(super) state: String,
    pub(super) bytes_toserver: u64,
    pub(super) bytes_toclient: u64,
}

/// What is odd.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Anomaly {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) event: String,
}

/// Numbers of a record of counters by their dotted names.
pub(super) fn counters(stats: &Value) -> BTreeMap<String, u64> {
    fn walk(value: &Value, path: &str, out: &mut BTreeMap<String, u64>) {
        if let Some(number) = value.as_u64() {
            out.insert(path.to_owned(), number);
        }
        for (key, inner) in value.as_object().into_iter().flatten() {
            walk(inner, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, out);
        }
    }
    let mut out = BTreeMap::new();
    walk(stats, "", &mut out);
    out
}

/// Files of records.
#[derive(Debug)]
pub(super) struct Sources(Vec<PathBuf>);

impl Sources {
    /// The files that paths stand for.
    pub(super) fn of(paths: &[PathBuf]) -> Result<Self, String> {
        let mut files = Vec::new();
        for path in paths {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let before = files.len();
            look(path, 0, &mut files).map_err(|error| format!("{}: {error}", path.display()))?;
            if files.len() == before {
                return Err(format!("{}: holds no records (*.json, *.json.zst, *.json.gz)", path.display()));
            }
        }
        Ok(Self(files))
    }

    /// Gives each record to `take`; what could not be read.
    pub(super) fn read(&self, take: &mut dyn FnMut(&Record)) -> Vec<String> {
        let read = |path: &PathBuf| read_file(path, take).err().map(|error| format!("{}: {error}", path.display()));
        self.0.iter().filter_map(read).collect()
    }
}

/// The files of a folder that are named like records, and those of folders in it.
fn look(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    // The log has all; what is beside it are the same records again.
    let has_log = entries.iter().any(|entry| is_segment(&entry.file_name().to_string_lossy()));
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        if kind.is_dir() {
            if depth < DEPTH {
                look(&path, depth + 1, files)?;
            }
        } else if is_segment(&name.to_string_lossy())
            || !has_log && [".json", ".json.zst", ".json.gz"].iter().any(|end| name.to_string_lossy().ends_with(end))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path, take: &mut dyn FnMut(&Record)) -> Result<(), String> {
    let opened = if path.as_os_str() == "-" {
        compression::open(io::stdin())
    } else {
        File::open(path).and_then(compression::open)
    };
    let (reader, _) = opened.map_err(|error| error.to_string())?;
    let (mut reader, mut line, mut number, mut wrong) = (BufReader::new(reader), Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        number += 1;
        let read = reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
        match read {
            Ok(0) if wrong > 0 => return Err(format!("{wrong} of {} lines are no records", number - 1)),
            Ok(0) => return Ok(()),
            Ok(_) => match serde_json::from_slice::<Record>(&line) {
                Ok(record) if !record.event_type.is_empty() => take(&record),
                _ => wrong += u64::from(!line.trim_ascii().is_empty()),
            },
            Err(error) => return Err(format!("cannot be read behind line {}: {error}", number - 1)),
        }
    }
}
