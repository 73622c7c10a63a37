//! What is opened for those who ask, before the doors close.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::client::NAME;
use super::{Open, socket};
use crate::metrics::http;
use crate::start::config::Process;
use crate::start::terminal::say;

/// Where a service manager wants sockets.
const RUNTIME_DIRECTORY: &str = "RUNTIME_DIRECTORY";

/// Opens the control socket and the port of metrics; with them, where the socket is. The exit status where one that was named cannot be had.
pub fn open(process: &Process, records: &Path, quiet: bool) -> Result<(Open, Option<PathBuf>), u8> {
    let mut open = Open::default();
    let mut path = None;
    if process.has_socket {
        let wanted = place(process, records);
        match socket::listen(&wanted) {
            Ok(listener) => (open.socket, path) = (Some(listener), Some(wanted)),
            Err(error) => {
                let what = format!("the control socket {} cannot be opened: {error}", wanted.display());
                refused(&what, "unix-command.filename names another one", process.socket.is_some(), quiet)?;
            }
        }
    }
    if process.metrics.enabled {
        match http::listen(process.metrics.address).and_then(patient) {
            Ok(listener) => open.metrics = Some(listener),
            Err(error) => {
                let what = format!("metrics cannot be had at {}: {error}", process.metrics.address);
                refused(&what, "tapwire.metrics.address names another place", process.metrics.said, quiet)?;
            }
        }
    }
    Ok((open, path))
}

fn patient(listener: TcpListener) -> std::io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Tells that something cannot be had; it is an error where it was asked for.
fn refused(what: &str, hint: &str, is_asked_for: bool, quiet: bool) -> Result<(), u8> {
    if is_asked_for {
        say(&format!("error: {what}; {hint}"));
        return Err(1);
    }
    if !quiet {
        say(&format!("warning: {what}; {hint}"));
    }
    Ok(())
}

fn place(process: &Process, records: &Path) -> PathBuf {
    let folder = std::env::var_os(RUNTIME_DIRECTORY).map_or_else(|| records.to_owned(), PathBuf::from);
    let name = process.socket.as_deref().unwrap_or(Path::new(NAME));
    // A path is what it is, and a bare name one in the usual place.
    if name.components().count() > 1 { name.to_owned() } else { folder.join(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_one_in_the_folder_of_records() {
        let named = |name: &str| Process { socket: Some(name.into()), ..Process::default() };
        let records = Path::new("/var/log/tapwire");
        assert_eq!(place(&Process::default(), records), records.join("tapwire.socket"));
        assert_eq!(place(&named("mine.socket"), records), records.join("mine.socket"));
        assert_eq!(place(&named("/run/x/y.socket"), records), Path::new("/run/x/y.socket"));
    }
}
