//! A server of HTTP that knows two pages. Whoever asks is served for a few seconds at most.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of a question.
const QUESTION_BYTES: usize = 8 << 10;
/// How long a question may take, and an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The kind of the text.
    pub kind: &'static str,
    /// The text.
    pub text: String,
}

impl Answer {
    /// A line.
    pub fn line(status: u16, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", text: format!("{text}\n") }
    }
}

/// Opens the port.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

/// Serves whoever asks next; `page` answers for a path, or says that there is no such page.
pub fn serve(mut stream: TcpStream, page: &dyn Fn(&str) -> Option<Answer>) -> io::Result<()> {
    let question = question(&mut stream)?;
    let answer = match path(&question) {
        Ok((path, _)) => page(path).unwrap_or_else(|| Answer::line(404, "there are /metrics and /healthz")),
        Err(status) => Answer::line(status, "only GET and HEAD are known"),
    };
    let head_only = matches!(path(&question), Ok((_, true)));
    stream.set_write_timeout(Some(PATIENCE))?;
    let Answer { status, kind, text } = answer;
    let (words, length) = (words(status), text.len());
    let head = format!(
        "HTTP/1.1 {status} {words}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if !head_only {
        stream.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// The head of a question.
fn question(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let began = Instant::now();
    let mut question = Vec::new();
    let mut piece = [0; 1024];
    loop {
        // Who sends a byte at a time is not waited for longer than others.
        let left = PATIENCE.checked_sub(began.elapsed()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let count = stream.read(&mut piece)?;
        question.extend_from_slice(piece.get(..count).unwrap_or_default());
        let is_whole =
            question.windows(4).any(|end| end == b"\r\n\r\n") || question.windows(2).any(|end| end == b"\n\n");
        if count == 0 || is_whole || question.len() >= QUESTION_BYTES {
            return Ok(question);
        }
    }
}

/// The path that is asked for, without what stands behind a question mark, and whether only the head is; the status of what is no question.
fn path(question: &[u8]) -> Result<(&str, bool), u16> {
    let line = question.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| 400_u16)?;
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some(method @ ("GET" | "HEAD")), Some(path)) => {
            Ok((path.split('?').next().unwrap_or_default(), method == "HEAD"))
        }
        (Some(_), Some(_)) => Err(405),
        _ => Err(400),
    }
}

fn words(status: u16) -> &'static str {
    match status {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        503 => "Service Unavailable",
        _ => "Bad Request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(question: &[u8]) -> String {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(question).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let page = |path: &str| (path == "/healthz").then(|| Answer::line(200, "well"));
        serve(listener.accept().unwrap().0, &page).unwrap();
        let mut answer = String::new();
        client.take(1 << 16).read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn pages_are_found_by_their_paths() {
        for (question, status, text) in [
            ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "well\n"),
            ("GET /healthz?x=1 HTTP/1.0\r\n\r\n", "200 OK", "well\n"),
            ("HEAD /healthz HTTP/1.1\r\n\r\n", "200 OK", ""),
            ("GET /etc/passwd HTTP/1.1\r\n\r\n", "404 Not Found", "there are /metrics and /healthz\n"),
            ("POST /healthz HTTP/1.1\r\n\r\n", "405 Method Not Allowed", "only GET and HEAD are known\n"),
            ("\r\n\r\n", "400 Bad Request", "only GET and HEAD are known\n"),
        ] {
            let answer = ask(question.as_bytes());
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{question}: {answer}");
            assert_eq!(answer.split_once("\r\n\r\n").map(|(_, text)| text), Some(text), "{question}");
        }
        assert!(ask(&[b'x'; QUESTION_BYTES]).starts_with("HTTP/1.1 400 "), "no more is read");
    }
}
