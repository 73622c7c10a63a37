//! Bodies (RFC 9112, section 6): what delimits them, what is kept of them, and the files in them.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::decode::{Decoder, Faults};
use super::headers::trim;
use super::multipart::{Multipart, Part};
use super::parameters::parameter;
use super::parser::{FileState, Framing, HttpParser, State, Step, blank};
use super::record::content_range;
use super::transaction::Exchange;
use super::upgrade::upgrade;
use super::uri::hex;
use crate::protocol::{Direction, FileSink, Output};

/// Longest name of a file that is not worth an anomaly.
const NAME_BYTES: usize = 4096;

impl HttpParser {
    /// The headers of a message are whole: decides what delimits its body.
    pub(super) fn choose_body(&mut self, direction: Direction, id: u64, output: &mut Output<'_>) {
        let Some(tx) = self.transactions.find_mut(id) else { return };
        let framing = match framing(tx, direction) {
            Ok(framing) => framing,
            // What a server makes of it cannot be told: all up to the next request may be the body.
            Err(Unreadable) if direction == Direction::ToServer => {
                self.side(direction).state = State::Surplus;
                return;
            }
            Err(Unreadable) => None,
        };
        let mut decoder = None;
        if let Some(encoding) = tx.message(direction).header(b"content-encoding").map(<[u8]>::to_vec) {
            decoder = Some(Decoder::new(&encoding, self.limits.budget, &mut |name| tx.note(name)));
        }
        let mut form = None;
        if direction == Direction::ToServer && matches!(&*tx.method, b"POST" | b"PUT") {
            match tx.request.header(b"content-type").and_then(Multipart::announced) {
                Some(Ok(announced)) => form = Some(announced),
                Some(Err(anomaly)) => tx.note(anomaly),
                None => {}
            }
        }
        let side = self.side(direction);
        (side.decoder, side.form, side.file) = (decoder, form, FileState::None);
        let state = match direction {
            Direction::ToServer => State::from(framing.unwrap_or(Framing::Length(0))),
            Direction::ToClient => self.choose_response(id, framing, output),
        };
        self.side(direction).state = state;
        if state == State::Known(0) {
            self.finish(direction, true, output);
        }
        let connects = self.current(direction).is_some_and(|tx| *tx.method == *b"CONNECT");
        if direction == Direction::ToServer && connects {
            self.side(direction).state = State::Tunnel;
        }
    }

    fn choose_response(&mut self, id: u64, framing: Option<Framing>, output: &mut Output<'_>) -> State {
        let Some(tx) = self.transactions.find_mut(id) else { return State::Line };
        let code = tx.code().unwrap_or(0);
        let bare = match framing {
            None | Some(Framing::Length(0)) => State::Known(0),
            Some(framing) => State::Bare(framing),
        };
        let framed =
            ["content-length", "transfer-encoding"].iter().any(|name| tx.response.header(name.as_bytes()).is_some());
        if framed && code == 101 {
            tx.note("http.switching_proto_with_content_length");
        } else if framed && matches!(code, 102..=199 | 204 | 304) && *tx.method != *b"HEAD" {
            tx.note("http.response_body_unexpected");
        }
        if *tx.method == *b"CONNECT" && code >= 200 {
            if code < 300 {
                self.leave_for_tunnel(Direction::ToClient, output);
                return State::Known(0);
            }
            let side = self.side(Direction::ToServer);
            if side.state == State::Tunnel {
                side.state = State::Line;
            }
        }
        let Some(tx) = self.transactions.find_mut(id) else { return State::Line };
        match code {
            101 if upgrade(&tx.response, output) => {}
            // It changes to nothing: clients take what follows for a body.
            101 => {
                tx.note("http.failed_protocol_change");
                return bare;
            }
            100 | 102..=199 => {
                if code == 100 {
                    if tx.continued {
                        tx.note("http.100_continue_already_seen");
                    }
                    tx.continued = true;
                }
                if bare == State::Known(0) {
                    // The final answer follows for the same request.
                    tx.progress.to_client = 0;
                    return State::Line;
                }
                return bare;
            }
            204 | 304 => return bare,
            _ if *tx.method == *b"HEAD" => return bare,
            _ => return framing.unwrap_or(Framing::Close).into(),
        }
        State::Known(0)
    }

    /// A line with the size of a chunk.
    pub(super) fn chunk_line(&mut self, direction: Direction, text: &[u8], total: usize) -> Step {
        let text = text.iter().position(|b| !blank(*b)).and_then(|at| text.get(at..)).unwrap_or_default();
        if text.is_empty() {
            self.count_framing(direction, total);
            return Some(total);
        }
        // The digits at the begin count, whatever follows.
        let digits = text.iter().take_while(|b| hex(**b).is_some()).count();
        let size = text.iter().take(digits).try_fold(0u64, |n, &b| n.checked_mul(16)?.checked_add(u64::from(hex(b)?)));
        let Some(size) = size.filter(|_| digits > 0) else { return self.no_chunk(direction) };
        self.count_framing(direction, total);
        if text.get(digits..).is_some_and(|rest| rest.contains(&b';')) {
            self.note(direction, "http.request_chunk_extension", "http.response_chunk_extension");
        }
        self.side(direction).state = if size == 0 { State::Trailer } else { State::ChunkData(size) };
        Some(total)
    }

    /// What was announced as chunks is none: the rest is the body, so that nothing hides in it.
    pub(super) fn no_chunk(&mut self, direction: Direction) -> Step {
        self.note(direction, "http.invalid_request_chunk_len", "http.invalid_response_chunk_len");
        self.side(direction).state = if direction == Direction::ToServer { State::Surplus } else { State::UntilClose };
        Some(0)
    }

    /// Counts bytes that frame a body.
    pub(super) fn count_framing(&mut self, direction: Direction, bytes: usize) {
        if let Some(tx) = self.current(direction) {
            let body = tx.message_mut(direction).body_mut();
            body.wire = body.wire.saturating_add(bytes as u64);
        }
    }

    fn limit(&self, direction: Direction) -> u64 {
        let [request, response] = self.limits.body;
        if direction == Direction::ToServer { request } else { response }
    }

    /// Bytes of a body as they came.
    pub(super) fn body(&mut self, direction: Direction, data: &[u8], output: &mut Output<'_>) {
        output.spend(data.len() as u64);
        self.count_framing(direction, data.len());
        let limit = self.limit(direction);
        // What nobody looks at is not decoded.
        let past = limit > 0 && self.current(direction).is_none_or(|tx| tx.message(direction).body().came >= limit);
        if past {
            output.limit();
        }
        if past && !(self.side(direction).file == FileState::Open && output.files.is_kept(direction.into())) {
            self.cut_file(direction, output);
            // Its window may be the largest thing that the flow holds.
            self.side(direction).decoder = None;
            return;
        }
        let mut faults = Faults::default();
        let decoded = self.side(direction).decoder.as_mut().map(|d| d.push(data, false, &mut faults));
        output.spend(decoded.as_ref().map_or(0, |d| d.len() as u64));
        self.keep(direction, decoded.as_deref().unwrap_or(data), faults, false, output);
    }

    fn keep(&mut self, direction: Direction, data: &[u8], faults: Faults, last: bool, output: &mut Output<'_>) {
        let limit = self.limit(direction);
        let side = self.side(direction);
        let (id, file, form) = (side.transaction, side.file, side.form.take());
        let Some(tx) = self.transactions.find_mut(id) else { return };
        for (wrong, name) in [
            (faults.failed, "http.gzip_decompression_failed"),
            (faults.bomb, "http.compression_bomb"),
            (faults.work, "http.compression_bomb_limit_reached"),
            (faults.lzma_memory, "http.lzma_memlimit_reached"),
        ] {
            if wrong {
                tx.note(name);
            }
        }
        let before = tx.message(direction).body().came;
        let mut room = if limit == 0 { u64::MAX } else { limit.saturating_sub(before) };
        let mut state = file;
        if form.is_none() && !data.is_empty() && room > 0 && state == FileState::None {
            open_file(direction, id, tx, output.files);
            state = FileState::Open;
        }
        if state == FileState::Open && output.files.is_kept(direction.into()) {
            room = u64::MAX;
        }
        let kept = data.get(..usize::try_from(room).unwrap_or(usize::MAX).min(data.len())).unwrap_or(data);
        if !data.is_empty() {
            tx.message_mut(direction).body_mut().push(data, limit);
        }
        if limit > 0 && before.saturating_add(data.len() as u64) > limit {
            output.limit();
        }
        let cut = kept.len() < data.len();
        let whole_form = last && !cut && file != FileState::Cut;
        let form = if let Some(mut form) = form {
            push_form(&mut form, (kept, whole_form, cut), id, tx, &mut state, output.files);
            Some(form)
        } else {
            if !kept.is_empty() && state == FileState::Open {
                output.files.append(direction.into(), kept);
            }
            None
        };
        let side = self.side(direction);
        (side.file, side.form) = (state, form);
        if cut {
            self.cut_file(direction, output);
        }
    }

    /// Bytes of a body are missing.
    pub(super) fn body_gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) {
        self.file_gap(direction, missing, output);
        if let Some(tx) = self.current(direction) {
            let body = tx.message_mut(direction).body_mut();
            body.total = body.total.saturating_add(missing);
            body.wire = body.wire.saturating_add(missing);
        }
    }

    /// Bytes of a file are missing, which may be its first ones.
    pub(super) fn file_gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) {
        let side = self.side(direction);
        let begins = side.file == FileState::None && side.form.is_none() && side.decoder.is_none();
        let id = side.transaction;
        if begins && let Some(tx) = self.current(direction) {
            open_file(direction, id, tx, output.files);
            self.side(direction).file = FileState::Open;
        }
        if self.side(direction).file == FileState::Open {
            output.files.gap(direction.into(), missing);
        }
    }

    /// Ends the open file at the limit of what is inspected.
    fn cut_file(&mut self, direction: Direction, output: &mut Output<'_>) {
        let side = self.side(direction);
        if side.file == FileState::Open {
            output.files.close(direction.into(), false);
        }
        side.file = FileState::Cut;
    }

    /// A message is over.
    pub(super) fn finish(&mut self, direction: Direction, complete: bool, output: &mut Output<'_>) {
        let mut faults = Faults::default();
        let decoder = self.side(direction).decoder.take();
        let rest = decoder.map(|mut d| d.push(b"", true, &mut faults)).unwrap_or_default();
        self.keep(direction, &rest, faults, true, output);
        if let Some(tx) = self.current(direction) {
            tx.message_mut(direction).end_body();
            *tx.progress.of_mut(direction) = 5;
        }
        let side = self.side(direction);
        if side.file == FileState::Open {
            output.files.close(direction.into(), complete);
        }
        (side.file, side.form, side.state, side.frames.ends) = (FileState::None, None, State::Line, true);
        output.flush_raw = true;
        // With the answer a request without an end has one.
        let asked = self.to_server();
        if direction == Direction::ToClient && asked.state == State::Surplus && asked.transaction == self.answered() {
            self.finish(Direction::ToServer, true, output);
        }
    }

    fn answered(&mut self) -> u64 {
        self.side(Direction::ToClient).transaction
    }
}

/// A length that is no number (RFC 9112, section 6.3).
struct Unreadable;

/// What delimits the body of a message, by its headers alone.
fn framing(tx: &mut Exchange, direction: Direction) -> Result<Option<Framing>, Unreadable> {
    let to_server = direction == Direction::ToServer;
    let by = |to_server_name, to_client_name| if to_server { to_server_name } else { to_client_name };
    let message = tx.message(direction);
    let coding: Option<Vec<u8>> = message
        .header(b"transfer-encoding")
        .map(|v| v.iter().filter(|&&b| b != 0).map(u8::to_ascii_lowercase).collect());
    let length = message.header(b"content-length").map(ContentLength::read);
    let old = matches!(message.protocol.get(5..), Some(b"0.9" | b"1.0"));
    let ranges = message
        .header(b"content-type")
        .is_some_and(|v| v.get(..20).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/byteranges")));
    let chunked = coding.as_ref().map(|v| memchr::memmem::find(v, b"chunked").is_some());
    if chunked == Some(false) || to_server && chunked == Some(true) && old {
        tx.note(by(
            "http.invalid_transfer_encoding_value_in_request",
            "http.invalid_transfer_encoding_value_in_response",
        ));
    }
    if chunked == Some(true) && !to_server {
        if coding.as_ref().is_some_and(|v| v.trim_ascii() != b"chunked") {
            tx.note("http.response_abnormal_transfer_encoding");
        }
        if old {
            tx.note("http.response_chunked_old_proto");
        }
    }
    if ranges && !to_server && chunked.is_none() && length.is_none() {
        tx.note("http.response_multipart_byteranges");
    }
    let Some(length) = length else { return Ok(chunked.filter(|chunked| *chunked).map(|_| Framing::Chunks)) };
    if length.extra_before {
        tx.note("http.content_length_extra_data_start");
    }
    if length.extra_behind {
        tx.note("http.content_length_extra_data_end");
    }
    // Clients read what they can, servers have to refuse it.
    let odd = length.extra_before || length.extra_behind;
    let bytes = length.bytes.filter(|_| !(to_server && odd));
    if bytes.is_none() {
        tx.note(by("http.invalid_content_length_field_in_request", "http.invalid_content_length_field_in_response"));
    }
    match (chunked, bytes) {
        (Some(true), _) => Ok(Some(Framing::Chunks)),
        (_, Some(bytes)) => Ok(Some(Framing::Length(bytes))),
        (_, None) => Err(Unreadable),
    }
}

/// What a `Content-Length` says.
struct ContentLength {
    /// The greatest of its numbers: where several contradict each other, no byte of the body shall escape.
    bytes: Option<u64>,
    extra_before: bool,
    extra_behind: bool,
}

impl ContentLength {
    fn read(value: &[u8]) -> Self {
        let mut all = Self { bytes: None, extra_before: false, extra_behind: false };
        for part in value.split(|b| *b == b',').map(trim) {
            let from = part.iter().position(u8::is_ascii_digit).unwrap_or(part.len());
            let (before, number) = part.split_at(from);
            let digits = number.iter().take_while(|b| b.is_ascii_digit()).count();
            let (digits, behind) = number.split_at(digits);
            all.extra_before |= !before.is_empty();
            all.extra_behind |= !behind.is_empty();
            let bytes = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            all.bytes = all.bytes.max(bytes);
        }
        all
    }
}

fn open_file(direction: Direction, id: u64, tx: &mut Exchange, files: &mut dyn FileSink) {
    let message = tx.message(direction);
    let named = message.header(b"content-disposition").and_then(|v| parameter(v, b"filename"));
    let name = named
        .filter(|n| !n.is_empty())
        .map_or_else(|| tx.uri.split(|&b| b == b'?').next().unwrap_or_default().to_vec(), Cow::into_owned);
    let range = message.header(b"content-range").map(|value| content_range(value, resource(tx)));
    if name.len() > NAME_BYTES {
        tx.note("http.file_name_too_long");
    }
    if range == Some(None) {
        tx.note("http.range_invalid");
    }
    files.open(direction.into(), id, name.get(..NAME_BYTES).unwrap_or(&name), range.flatten());
}

/// What tells the file that was asked for from others: its host and all of its path.
fn resource(tx: &Exchange) -> u64 {
    let mut digest = DefaultHasher::new();
    (tx.request.header(b"host"), &tx.uri).hash(&mut digest);
    digest.finish()
}

fn push_form(
    form: &mut Multipart,
    (data, last, cut): (&[u8], bool, bool),
    id: u64,
    tx: &mut Exchange,
    state: &mut FileState,
    files: &mut dyn FileSink,
) {
    let mut take = |part: Part<'_>| match part {
        Part::Open(text) => {
            files.open(Direction::ToServer.into(), id, text, None);
            *state = FileState::Open;
        }
        Part::Content(bytes) => files.append(Direction::ToServer.into(), bytes),
        Part::Close => {
            files.close(Direction::ToServer.into(), true);
            *state = FileState::None;
        }
        Part::Odd(anomaly) => tx.note(anomaly),
    };
    form.push(data, last, &mut take);
    if cut {
        form.cut(&mut take);
    }
}
