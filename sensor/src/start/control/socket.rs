//! The control socket: a line of JSON asks, a line of JSON answers.
//!
//! `{"command":"reload"}` is answered by `{"return":"OK","message":…}` or `{"return":"NOK","message":"why"}`, as Suricata's socket does, and
//! what its client says first (`{"version":…}`) is answered too.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::umask;
use serde_json::{Value, json};

use super::{Desk, commands, serve_each};

/// Bytes of a question.
const LINE_BYTES: u64 = 64 << 10;
/// Who is silent for so long is not listened to any more.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether the run has ended.
const LOOK: Duration = Duration::from_millis(200);
/// The socket is for its user and group.
const OTHERS: Mode = Mode::RWXO;

/// Opens it. What a sensor that crashed left is removed; one that answers is not.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if path.exists() {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another sensor listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let before = umask(OTHERS | Mode::XUSR | Mode::XGRP);
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves whoever comes.
pub(super) fn serve(desk: &Desk, listener: &UnixListener, ended: &AtomicBool) {
    let accept = || listener.accept().map(|(stream, _)| stream);
    serve_each(&accept, ended, &|stream| drop(converse(desk, stream, ended)));
}

/// Answers one who asks until they go.
fn converse(desk: &Desk, stream: UnixStream, ended: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK * 25))?;
    let (mut reader, mut writer) = (BufReader::new(&stream), &stream);
    let (mut line, mut since) = (Vec::new(), Instant::now());
    while !ended.load(Ordering::Relaxed) && since.elapsed() < PATIENCE {
        let room = LINE_BYTES.saturating_sub(line.len() as u64);
        match reader.by_ref().take(room).read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) if line.ends_with(b"\n") => {
                let mut answer = serde_json::to_vec(&answer(desk, &line))?;
                answer.push(b'\n');
                writer.write_all(&answer)?;
                line.clear();
                since = Instant::now();
            }
            Ok(_) => {
                writer
                    .write_all(b"{\"return\":\"NOK\",\"message\":\"the question is too long, or not at its end\"}\n")?;
                return Ok(());
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What is answered to a line.
fn answer(desk: &Desk, line: &[u8]) -> Value {
    let result = match serde_json::from_slice::<Value>(line) {
        Err(error) => Err(format!("this is no JSON: {error}; such as {{\"command\":\"status\"}}")),
        Ok(question) if question.get("version").is_some() => return json!({"return": "OK"}),
        Ok(question) => match question.get("command").and_then(Value::as_str) {
            None => Err("there is no `command`; such as {\"command\":\"status\"}".into()),
            Some(command) => commands::run(desk, command, question.get("arguments").unwrap_or(&Value::Null)),
        },
    };
    match result {
        Ok(message) => json!({"return": "OK", "message": message}),
        Err(why) => json!({"return": "NOK", "message": why}),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_socket_is_for_its_user_and_group_and_what_a_crash_left_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/tapwire.socket");
        let listener = listen(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(listen(&path).unwrap_err().to_string().contains("another sensor"));
        drop(listener);
        assert!(listen(&path).is_ok());
    }
}
