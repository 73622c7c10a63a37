//! Datagrams and streams to messages.
//!
//! A datagram is a message. On a stream the empty line ends the headers, and `Content-Length` tells the body. Where a message does
//! not begin as one, or behind a gap, the parser goes on at the next line that a message can begin with.

use crate::protocol::{
    Advance, Anomaly, Both, Carrier, Direction, Input, OneWay, Output, Parser, Probe, TransactionList, Transactions,
    held,
};
use crate::sip::message::{Message, StartLine, is_token, without_return};

/// Messages that wait to be inspected: more than a full window can hold in one call.
const MAX_OPEN: usize = 4096;
/// Longest first line.
const LINE_LIMIT_BYTES: usize = 8 << 10;
/// Longest first line and headers.
const HEAD_LIMIT_BYTES: usize = 64 << 10;
/// Longest body that is waited for and read.
const BODY_LIMIT_BYTES: usize = 64 << 10;

/// The parser of one flow.
pub(super) struct SipParser {
    carrier: Carrier,
    streams: Both<Stream>,
    messages: Transactions<Message, MAX_OPEN>,
}

/// Where one direction of a stream stands.
#[derive(Debug, Default)]
struct Stream {
    /// Bytes of what is left that were searched for the end of a line or of the headers.
    searched: usize,
    /// The first line of a message is there.
    has_line: bool,
    /// The message whose body is awaited, and the length of its head and of that body.
    pending: Option<(Box<Message>, usize, usize)>,
    /// Bytes still to come of a body that is passed over.
    skip: usize,
    /// The place of the next message is not known.
    lost: bool,
    /// So is the end of a line that is too long.
    in_long_line: bool,
}

/// What became of the begin of a chunk.
enum Step {
    /// This many bytes are done with.
    Done(usize),
    /// Nothing can be done with less than this many bytes (0: any more).
    Wait(usize),
}

impl SipParser {
    /// A parser for a new flow.
    pub(super) fn new(carrier: Carrier) -> Self {
        Self { carrier, streams: Both::default(), messages: Transactions::default() }
    }

    fn open(&mut self, message: Message, output: &mut Output<'_>) {
        output.flush_raw = true;
        if self.messages.open(message).is_none() {
            output.anomalies.push(Anomaly("sip.too_many_messages"));
        }
    }

    fn datagram(&mut self, direction: Direction, data: &[u8], output: &mut Output<'_>) {
        output.spend(data.len() as u64);
        // Blank datagrams keep the way through a NAT open.
        if data.iter().all(|&byte| byte.is_ascii_whitespace() || byte == 0) {
            return;
        }
        let head_limit = data.get(..HEAD_LIMIT_BYTES).unwrap_or(data);
        let (head, body) =
            data.split_at_checked(head_end(head_limit, 0).unwrap_or(head_limit.len())).unwrap_or_default();
        let Some(mut message) = Message::read(head, direction) else {
            output.anomalies.push(Anomaly("sip.invalid_data"));
            return;
        };
        // The end of the datagram ends the body, whatever the headers say: what lies behind a length that is too short is
        // passed over by some receivers and read by others.
        message.read_body(body);
        self.name_frames(&message, (head, body.len()), output);
        self.open(message, output);
    }

    /// Names the frames of a message that begins where the parser stands.
    fn name_frames(&self, message: &Message, (head, body): (&[u8], usize), output: &mut Output<'_>) {
        if !output.wants_frames {
            return;
        }
        let line = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
        let lines = head.strip_suffix(b"\r\n").or_else(|| head.strip_suffix(b"\n")).unwrap_or(head).len().max(line);
        let names = match message.request_line() {
            Some(_) => ["request.line", "request.headers", "request.body"],
            None => ["response.line", "response.headers", "response.body"],
        };
        let id = Some(self.messages.next_id());
        let places = [(0, line), (line, lines - line), (head.len(), body)];
        output.frame("pdu", 0, (head.len() + body) as u64, id);
        for (name, (from, length)) in names.into_iter().zip(places).filter(|(_, (_, length))| *length > 0) {
            output.frame(name, i64::try_from(from).unwrap_or(i64::MAX), length as u64, id);
        }
    }

    fn step(&mut self, direction: Direction, rest: &[u8], output: &mut Output<'_>) -> Step {
        let stream = self.streams.of_mut(direction);
        if stream.skip > 0 {
            let skipped = stream.skip.min(rest.len());
            stream.skip -= skipped;
            return Step::Done(skipped);
        }
        if let Some((mut message, head, body)) = stream.pending.take() {
            return match rest.get(head..head + body) {
                Some(bytes) => {
                    output.spend(bytes.len() as u64);
                    message.read_body(bytes);
                    let parts = (rest.get(..head).unwrap_or_default(), body);
                    self.name_frames(&message, parts, output);
                    self.open(*message, output);
                    Step::Done(head + body)
                }
                None => {
                    stream.pending = Some((message, head, body));
                    Step::Wait(head + body)
                }
            };
        }
        if stream.lost {
            return stream.find_message(rest, output);
        }
        if stream.searched == 0 && !stream.has_line {
            let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank > 0 {
                output.spend(blank as u64);
                return Step::Done(blank);
            }
        }
        self.head(direction, rest, output)
    }

    fn head(&mut self, direction: Direction, rest: &[u8], output: &mut Output<'_>) -> Step {
        let stream = self.streams.of_mut(direction);
        if !stream.has_line {
            match stream.line_end(rest, output) {
                Some(end) if begins(rest, end) => (stream.has_line, stream.searched) = (true, 0),
                Some(end) => return stream.lose("sip.invalid_data", Some(end), output),
                None if rest.len() >= LINE_LIMIT_BYTES => return stream.lose("sip.invalid_data", None, output),
                None => return Step::Wait(0),
            }
        }
        let area = rest.get(..HEAD_LIMIT_BYTES).unwrap_or(rest);
        let found = head_end(area, stream.searched);
        output.spend(found.unwrap_or(area.len()).saturating_sub(stream.searched) as u64);
        let Some(end) = found else {
            if area.len() >= HEAD_LIMIT_BYTES {
                // All that was searched is passed over: it may be full of lines that begin messages.
                stream.lose("sip.headers_too_long", None, output);
                return Step::Done(area.len());
            }
            stream.searched = area.len();
            return Step::Wait(0);
        };
        *stream = Stream::default();
        output.spend(end as u64);
        let Some(message) = rest.get(..end).and_then(|head| Message::read(head, direction)) else {
            return stream.lose("sip.invalid_data", None, output);
        };
        match message.content_length() {
            Ok(body @ 1..=BODY_LIMIT_BYTES) => {
                stream.pending = Some((Box::new(message), end, body));
                // Nothing is done with yet, but the next step knows what it waits for.
                Step::Done(0)
            }
            length => {
                match length {
                    Ok(body) => {
                        stream.skip = body;
                        if body > 0 {
                            output.limit();
                        }
                    }
                    Err(()) => stream.lost = true,
                }
                self.name_frames(&message, (rest.get(..end).unwrap_or_default(), 0), output);
                self.open(message, output);
                Step::Done(end)
            }
        }
    }
}

impl Stream {
    /// Where the first line ends, if that is within the limit; what was searched is not searched again.
    fn line_end(&mut self, rest: &[u8], output: &mut Output<'_>) -> Option<usize> {
        let area = rest.get(..LINE_LIMIT_BYTES).unwrap_or(rest);
        let new = area.get(self.searched..).unwrap_or_default();
        let end = memchr::memchr(b'\n', new);
        output.spend(end.unwrap_or(new.len()) as u64);
        let end = end.map(|at| self.searched + at);
        self.searched = area.len();
        end
    }

    /// The first line, which ends at `line_end` or is too long, does not begin a message.
    fn lose(&mut self, name: &'static str, line_end: Option<usize>, output: &mut Output<'_>) -> Step {
        output.anomalies.push(Anomaly(name));
        *self = Stream { lost: true, in_long_line: line_end.is_none(), ..Stream::default() };
        Step::Done(line_end.map_or(0, |end| end + 1))
    }

    /// Passes over lines until one can begin a message.
    fn find_message(&mut self, rest: &[u8], output: &mut Output<'_>) -> Step {
        if self.in_long_line {
            let end = memchr::memchr(b'\n', rest);
            self.in_long_line = end.is_none();
            let passed = end.map_or(rest.len(), |end| end + 1);
            output.spend(passed as u64);
            return Step::Done(passed);
        }
        match self.line_end(rest, output) {
            Some(end) if begins(rest, end) => {
                *self = Stream::default();
                Step::Done(0)
            }
            Some(end) => {
                self.searched = 0;
                Step::Done(end + 1)
            }
            None if rest.len() >= LINE_LIMIT_BYTES => {
                (self.in_long_line, self.searched) = (true, 0);
                Step::Done(0)
            }
            None => Step::Wait(0),
        }
    }
}

impl Parser for SipParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        if self.carrier == Carrier::Udp {
            self.datagram(direction, chunk, output);
            return Advance::consumed(chunk.len());
        }
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            if !output.spend(1) {
                break;
            }
            output.place = at;
            match self.step(direction, rest, output) {
                Step::Done(done) => at += done,
                Step::Wait(wanted) => return Advance { consumed: at, wanted },
            }
        }
        Advance::consumed(at)
    }

    fn gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) -> bool {
        let stream = self.streams.of_mut(direction);
        let skip = usize::try_from(missing).ok().and_then(|missing| stream.skip.checked_sub(missing));
        let pending = stream.pending.take();
        *stream = match skip.filter(|_| stream.skip > 0) {
            Some(skip) => Stream { skip, ..Stream::default() },
            None => Stream { lost: true, ..Stream::default() },
        };
        if let Some((message, ..)) = pending {
            self.open(*message, output);
        }
        true
    }

    fn close(&mut self, direction: Direction, output: &mut Output<'_>) {
        // The rest of the body does not come, but the headers are there.
        if let Some((message, ..)) = self.streams.of_mut(direction).pending.take() {
            self.open(*message, output);
        }
    }

    fn held_bytes(&self) -> usize {
        let pending = Direction::BOTH.into_iter().filter_map(|direction| self.streams.of(direction).pending.as_ref());
        let pending: usize = pending.map(|(message, ..)| held::boxed::<Message>(message.held())).sum();
        size_of::<Self>() + self.messages.held_bytes() + pending
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.messages
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.messages
    }
}

/// Where the headers end, with the empty line; what stands before `searched` is known to have no such end.
fn head_end(data: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    memchr::memchr_iter(b'\n', data.get(from..)?).map(|at| from + at + 1).find_map(|next| match data.get(next..) {
        Some([b'\n', ..]) => Some(next + 1),
        Some([b'\r', b'\n', ..]) => Some(next + 2),
        _ => None,
    })
}

/// Whether the line up to `end` can begin a message.
fn begins(data: &[u8], end: usize) -> bool {
    data.get(..end).is_some_and(|line| StartLine::read(without_return(line)).is_some())
}

/// Looks at the first bytes of a direction: whether they begin with a line of the protocol, method or version and all.
pub(super) fn probe(carrier: Carrier, data: &[u8]) -> Probe {
    let area = data.get(..LINE_LIMIT_BYTES).unwrap_or(data);
    if let Some(end) = memchr::memchr(b'\n', area) {
        return if begins(area, end) { Probe::Yes } else { Probe::No };
    }
    let method = area.iter().take_while(|&&byte| is_token(byte)).count();
    let could_be = method > 0 && matches!(area.get(method), None | Some(b' ' | b'/'));
    match carrier {
        Carrier::Tcp if could_be && area.len() < LINE_LIMIT_BYTES => Probe::Unsure,
        _ => Probe::No,
    }
}
