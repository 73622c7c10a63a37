//! `/metrics` and `/healthz`.

use std::net::TcpListener;
use std::sync::atomic::AtomicBool;

use super::{Desk, serve_each};
use crate::metrics::http::{self, Answer};
use crate::metrics::text::{CONTENT_TYPE, text};

/// Serves whoever asks.
pub(super) fn serve(desk: &Desk, listener: &TcpListener, ended: &AtomicBool) {
    let accept = || {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    };
    serve_each(&accept, ended, &|stream| drop(http::serve(stream, &|path| page(desk, path))));
}

fn page(desk: &Desk, path: &str) -> Option<Answer> {
    match path {
        "/metrics" => Some(match desk.window.counters() {
            Some(snapshot) => Answer { status: 200, kind: CONTENT_TYPE, text: text(&snapshot, desk.facts()) },
            None => Answer::line(503, "the run does not answer"),
        }),
        "/healthz" => {
            let stuck = desk.stuck();
            Some(match stuck.is_empty() {
                true => Answer::line(200, "well"),
                false => Answer::line(503, &format!("stuck: {}", stuck.join(", "))),
            })
        }
        _ => None,
    }
}
