//! The other end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// The name of the socket.
pub const NAME: &str = "tapwire.socket";
/// Where a service has it.
const OF_SERVICE: &str = "/run/tapwire";
/// A reload may take a while.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of an answer.
const ANSWER_BYTES: u64 = 64 << 20;

/// Where a sensor is found that nobody said more of: that of the service, or one in the folder of records.
pub fn usual(log_dir: Option<&Path>) -> PathBuf {
    let of_service = Path::new(OF_SERVICE).join(NAME);
    match log_dir {
        Some(folder) => folder.join(NAME),
        None if of_service.exists() => of_service,
        None => Path::new(NAME).to_owned(),
    }
}

/// A connection to a sensor.
pub struct Client(BufReader<UnixStream>);

impl Client {
    /// Connects.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks; what is answered, or why not.
    pub fn ask(&mut self, command: &str, arguments: &Value) -> io::Result<Result<Value, String>> {
        let mut question = serde_json::to_vec(&json!({"command": command, "arguments": arguments}))?;
        question.push(b'\n');
        self.0.get_mut().write_all(&question)?;
        let mut line = Vec::new();
        self.0.by_ref().take(ANSWER_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it went away without an answer"));
        }
        let mut answer: Value = serde_json::from_slice(&line)?;
        let message = answer.get_mut("message").map(Value::take).unwrap_or_default();
        Ok(match answer.get("return").and_then(Value::as_str) {
            Some("OK") => Ok(message),
            _ => Err(message.as_str().map_or_else(|| message.to_string(), str::to_owned)),
        })
    }
}
