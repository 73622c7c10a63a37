//! Bytes to a receiver that says nothing back: plain syslog, a socket.
//!
//! What such a receiver's system took is all that can be known. So when a connection breaks, what was written to it last is written
//! to the next one again: what the receiver had not read by then is not lost, and no more than that comes twice.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::sinks::deliver::connection::{Connection, Route};
use crate::sinks::deliver::transport::Trouble;

/// A receiver that took nothing out of its buffers for so long is no receiver.
const DOUBT: Duration = Duration::from_secs(300);

/// Where bytes go.
pub(super) struct Stream {
    route: Route,
    connection: Option<Connection>,
    /// What was written last, and when.
    last: Vec<u8>,
    written: Instant,
}

impl Stream {
    /// One that is not connected yet.
    pub(super) fn new(route: Route) -> Self {
        Self { route, connection: None, last: Vec::new(), written: Instant::now() }
    }

    /// Writes bytes, on a connection that is still there.
    pub(super) fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), Trouble> {
        if self.connection.as_mut().is_some_and(Connection::is_over) {
            self.connection = None;
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let mut connection = Connection::open(&self.route)?;
                if self.written.elapsed() < DOUBT {
                    connection.write_all(&self.last)?;
                }
                self.connection.insert(connection)
            }
        };
        if let Err(error) = connection.write_all(bytes).and_then(|()| connection.flush()) {
            self.connection = None;
            return Err(error.into());
        }
        std::mem::swap(&mut self.last, bytes);
        bytes.clear();
        self.written = Instant::now();
        Ok(())
    }
}
