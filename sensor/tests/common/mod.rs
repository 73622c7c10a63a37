//! Runs the program on captures and reads what it left.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "each test program uses its part, and reads what is bounded"
)]

pub mod wire;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A run that may take this long on a slow machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// One run of the program with its own folder for records.
pub struct Run {
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

/// The folder of the project's own captures.
pub fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps")
}

/// The cases under `pcaps/<protocol>/<case>`, sorted.
pub fn cases() -> Vec<PathBuf> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let mut all: Vec<PathBuf> = folders(&captures()).iter().flat_map(|protocol| folders(protocol)).collect();
    all.retain(|case| case.join("capture.pcap").exists());
    all.sort();
    assert!(!all.is_empty(), "no case under pcaps/");
    all
}

/// The shared test data, where this clone lies beside it.
pub fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if path.is_dir() {
        Some(path)
    } else {
        eprintln!("left out: the shared test data is not beside this clone");
        None
    }
}

/// Capture files below a folder, sorted.
pub fn captures_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(captures_below(&path));
        } else if path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "cap") {
            all.push(path);
        }
    }
    all.sort();
    all
}

impl Run {
    /// A quiet replay of a capture or folder.
    pub fn replay(capture: &Path) -> Self {
        Self::new("replay").arg("--quiet").path(capture)
    }

    /// A run of a subcommand.
    pub fn new(subcommand: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log_dir = folder.path().to_str().unwrap().to_owned();
        Self { arguments: vec![subcommand.into(), "--log-dir".into(), log_dir], folder }
    }

    /// One more argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// One more argument that is a path.
    pub fn path(self, path: &Path) -> Self {
        let text = path.to_str().unwrap().to_owned();
        self.arg(&text)
    }

    /// Runs it to its end, which must come in time.
    pub fn output(&self) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tapwire"))
            .args(&self.arguments)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            out.by_ref().take(1 << 26).read_to_end(&mut stdout).unwrap();
            err.by_ref().take(1 << 26).read_to_end(&mut stderr).unwrap();
            (stdout, stderr)
        });
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > TIME_LIMIT {
                child.kill().unwrap();
                panic!("no end: {:?}", self.arguments);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let (stdout, stderr) = reader.join().unwrap();
        Output { status, stdout, stderr }
    }

    /// Runs it and expects exit status 0.
    pub fn succeed(&self) -> Output {
        let output = self.output();
        assert!(output.status.success(), "{:?}: {}", self.arguments, String::from_utf8_lossy(&output.stderr));
        output
    }

    /// The folder of its records.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The records that the run wrote, compressed or plain.
    pub fn records(&self) -> String {
        let plain = self.folder().join("eve.json");
        if plain.exists() {
            return std::fs::read_to_string(plain).unwrap();
        }
        let bytes = std::fs::read(self.folder().join("eve.json.zst")).unwrap();
        String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap()
    }

    /// The last `stats` record.
    pub fn stats(&self) -> serde_json::Value {
        let records = self.records();
        let line = records.lines().rfind(|line| line.contains(r#""event_type":"stats""#)).expect("a stats record");
        serde_json::from_str::<serde_json::Value>(line).unwrap()["stats"].clone()
    }
}
