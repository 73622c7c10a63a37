//! Lines to a socket of this machine or to a port: a stream of lines, or each in a datagram.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::stream::Stream;
use super::syslog::{answer, send_datagram};
use crate::sinks::deliver::connection::Route;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble, all_delivered, set};

/// Writes lines.
pub struct Lines {
    stream: Stream,
    text: Vec<u8>,
}

impl Lines {
    /// One that is not connected yet.
    pub fn new(route: Route) -> Self {
        Self { stream: Stream::new(route), text: Vec::new() }
    }
}

impl Transport for Lines {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        self.text.clear();
        for item in items {
            self.text.extend_from_slice(item.body);
            self.text.push(b'\n');
        }
        self.stream.write(&mut self.text)?;
        all_delivered(answers);
        Ok(())
    }
}

/// Sends each line by itself.
pub struct Datagrams {
    path: PathBuf,
    timeout: Duration,
    socket: Option<UnixDatagram>,
}

impl Datagrams {
    /// One that is not connected yet.
    pub fn new(path: PathBuf, timeout: Duration) -> Self {
        Self { path, timeout, socket: None }
    }
}

impl Transport for Datagrams {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        for (place, item) in items.iter().enumerate() {
            let sent = send_datagram(&self.path, &mut self.socket, self.timeout, item.body);
            set(answers, place, answer(sent, item.body.len())?);
        }
        Ok(())
    }
}
