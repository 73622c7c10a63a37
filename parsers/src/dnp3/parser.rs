//! Frames to messages: the transport function (IEEE 1815 clause 8) puts the parts of a message together.

use super::frame::{self, Begin, HEADER_LEN, Header};
use super::message::{Limits, Message};
use crate::protocol::{
    Advance, Anomaly, Both, Carrier, Direction, Input, Output, Parser, Probe, TransactionList, Transactions, held,
};

/// Messages that wait to be inspected, unless the settings say otherwise.
pub(super) const DEFAULT_OPEN: u64 = 500;
/// Points of a message that are read by default.
pub(super) const DEFAULT_POINTS: u64 = 16_384;
/// Headers of its objects.
pub(super) const DEFAULT_OBJECTS: u64 = 2_048;
/// Octets of a message that are put together by default: more than any device takes.
pub(super) const DEFAULT_MESSAGE_BYTES: u64 = 64 << 10;
/// Most messages in any case.
const MAX_OPEN: usize = 4096;

/// The parser of one flow.
pub(super) struct Dnp3Parser {
    carrier: Carrier,
    messages: Transactions<Message, MAX_OPEN>,
    settings: Settings,
    parts: Both<Parts>,
}

/// How much is kept of a flow and of its messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Messages that wait to be inspected.
    pub(super) open: u64,
    /// Octets of a message that are put together.
    pub(super) message_bytes: usize,
    /// What is read of it.
    pub(super) message: Limits,
}

/// What came of a message in one direction.
#[derive(Debug, Default)]
struct Parts {
    link: Header,
    data: Vec<u8>,
    open: bool,
    /// The place of the next frame is not known.
    lost: bool,
}

impl Dnp3Parser {
    pub(super) fn new(carrier: Carrier, settings: Settings) -> Self {
        let settings = Settings { open: settings.open.clamp(1, MAX_OPEN as u64), ..settings };
        Self { carrier, messages: Transactions::default(), settings, parts: Both::default() }
    }

    fn frame(&mut self, direction: Direction, header: Header, bytes: &[u8], output: &mut Output<'_>) {
        output.spend(bytes.len() as u64);
        // Frames without data only keep the link.
        if header.data_len == 0 {
            return;
        }
        let mut data = Vec::with_capacity(header.data_len);
        if !frame::data(bytes, &mut data) {
            output.anomalies.push(Anomaly("dnp3.bad_transport_crc"));
        }
        let Some((&transport, part)) = data.split_first() else { return };
        let parts = self.parts.of_mut(direction);
        if transport & FIRST != 0 {
            *parts = Parts { link: header, open: true, ..Parts::default() };
        } else if !parts.open {
            return;
        }
        if parts.data.len() + part.len() > self.settings.message_bytes {
            *parts = Parts::default();
            output.anomalies.push(Anomaly("dnp3.too_long_reassembly"));
            return;
        }
        parts.data.extend_from_slice(part);
        if transport & FINAL != 0 {
            let Parts { link, data, .. } = std::mem::take(parts);
            // A confirmation says nothing that the message before it did not say.
            if direction == Direction::ToServer && data.get(1) == Some(&CONFIRM) {
                return;
            }
            self.message(Message::read(direction, link, data, self.settings.message), output);
        }
    }

    fn message(&mut self, message: Message, output: &mut Output<'_>) {
        output.flush_raw = true;
        let range = self.messages.range();
        let flooded = range.end - range.start >= self.settings.open;
        if flooded || self.messages.open(message).is_none() {
            output.anomalies.push(Anomaly("dnp3.flooded"));
        }
    }
}

impl Parser for Dnp3Parser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            if !output.spend(1) {
                return Advance::consumed(if self.carrier == Carrier::Udp { chunk.len() } else { at });
            }
            if self.parts.of(direction).lost {
                // The next octets that can begin a frame.
                let next = memchr::memmem::find(rest, &frame::START);
                at += next.unwrap_or(rest.len() - usize::from(rest.last() == frame::START.first()));
                output.spend(rest.len() as u64);
                if next.is_none() {
                    break;
                }
                self.parts.of_mut(direction).lost = false;
                continue;
            }
            match Header::read(rest) {
                Begin::Short => break,
                Begin::Wrong(name) => {
                    output.anomalies.push(Anomaly(name));
                    *self.parts.of_mut(direction) = Parts { lost: true, ..Parts::default() };
                    at += 1;
                }
                Begin::Header(header) => {
                    let Some(bytes) = rest.get(..header.frame_len()) else {
                        return Advance { consumed: at, wanted: header.frame_len() };
                    };
                    at += bytes.len();
                    self.frame(direction, header, bytes, output);
                }
            }
        }
        let left = chunk.len() - at;
        let datagram = self.carrier == Carrier::Udp;
        Advance { consumed: if datagram { chunk.len() } else { at }, wanted: if left > 0 { HEADER_LEN } else { 0 } }
    }

    fn gap(&mut self, direction: Direction, _: u64, _: &mut Output<'_>) -> bool {
        *self.parts.of_mut(direction) = Parts { lost: true, ..Parts::default() };
        true
    }

    fn close(&mut self, _: Direction, _: &mut Output<'_>) {}

    fn held_bytes(&self) -> usize {
        let Both { to_server, to_client } = &self.parts;
        size_of::<Self>() + self.messages.held_bytes() + held::list(&to_server.data) + held::list(&to_client.data)
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.messages
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.messages
    }
}

/// Whether a stream begins with a frame, right or not: behind a broken one there are others.
pub(super) fn probe(_: Carrier, direction: Direction, data: &[u8]) -> Probe {
    match Header::read(data) {
        Begin::Short => Probe::Unsure,
        Begin::Wrong(_) if data.starts_with(&frame::START) || has_frame(data) => Probe::Yes,
        Begin::Wrong(_) => Probe::No,
        // Masters are clients, and say that they are masters.
        Begin::Header(header) if (header.control & MASTER != 0) != (direction == Direction::ToServer) => Probe::Either,
        Begin::Header(_) => Probe::Yes,
    }
}

/// Whether a frame with the right check begins anywhere.
fn has_frame(data: &[u8]) -> bool {
    memchr::memmem::find_iter(data, &frame::START)
        .filter_map(|at| data.get(at..))
        .any(|rest| matches!(Header::read(rest), Begin::Header(_)))
}

/// The bit of the link's control octet that masters set.
const MASTER: u8 = 0x80;

/// Function code of a confirmation.
const CONFIRM: u8 = 0;
const FINAL: u8 = 0x80;
const FIRST: u8 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnp3::frame::build;
    use crate::protocol::NoFiles;

    fn feed(parser: &mut Dnp3Parser, direction: Direction, data: &[u8]) -> Vec<&'static str> {
        let mut files = NoFiles;
        let mut output = Output::new(&mut files);
        parser.advance(&Input::new(direction, data), &mut output);
        output.anomalies.iter().map(|anomaly| anomaly.0).collect()
    }

    const SETTINGS: Settings =
        Settings { open: DEFAULT_OPEN, message_bytes: 300, message: Limits { points: DEFAULT_POINTS, objects: 2 } };

    fn parser() -> Dnp3Parser {
        Dnp3Parser::new(Carrier::Tcp, SETTINGS)
    }

    #[test]
    fn a_request_and_its_answer_are_two_messages() {
        let mut parser = parser();
        let read = [0xc0, 0xc1, 1, 60, 2, 6, 60, 3, 6];
        assert_eq!(feed(&mut parser, Direction::ToServer, &build(0xc4, 1, 2, &read)), [""; 0]);
        // Two binary inputs with flags and an analogue input of 16 bits, in two parts.
        let answer = [0xc1, 129, 0x90, 0, 1, 2, 0, 0, 1, 0x81, 1, 30, 2, 1, 0, 0, 0, 0, 1, 5, 0];
        let (first, last) = answer.split_at(10);
        let parts = [&[0x41][..], first].concat();
        assert_eq!(feed(&mut parser, Direction::ToClient, &build(0x44, 2, 1, &parts)), [""; 0]);
        assert_eq!(parser.messages.range(), 0..1);
        let parts = [&[0x82][..], last].concat();
        assert_eq!(feed(&mut parser, Direction::ToClient, &build(0x44, 2, 1, &parts)), [""; 0]);
        let request = parser.messages.find(0).unwrap();
        assert_eq!(
            (request.kind(), request.function, request.objects.len(), request.complete),
            ("request", 1, 2, true)
        );
        let response = parser.messages.find(1).unwrap();
        assert_eq!((response.kind(), response.function, response.complete), ("response", 129, true));
        assert_eq!(response.indication_names().collect::<Vec<_>>(), ["need_time", "device_restart"]);
        let objects: Vec<_> = response.objects.iter().map(|o| (o.group, o.variation, o.count)).collect();
        assert_eq!(objects, [(1, 2, 2), (30, 2, 1)]);
    }

    #[test]
    fn points_of_a_message_are_counted_over_its_objects() {
        // Two headers with a packed bit for each of 9 and 8 points; a request to read carries none.
        let objects = [1, 1, 0, 0, 8, 0, 0, 1, 1, 0, 0, 7, 0];
        for (function, most, expected) in [(2, 17, &[][..]), (2, 16, &["dnp3.too_many_points"]), (1, 1, &[])] {
            let message = Limits { points: most, ..SETTINGS.message };
            let mut parser = Dnp3Parser::new(Carrier::Tcp, Settings { message, ..SETTINGS });
            let carried = if function == 1 { &[1, 1, 0, 0, 8, 1, 1, 0, 0, 7][..] } else { &objects };
            let data = [&[0xc0, 0xc1, function][..], carried].concat();
            feed(&mut parser, Direction::ToServer, &build(0xc4, 1, 2, &data));
            let message = parser.messages.find(0).unwrap();
            let names: Vec<_> = message.anomalies.iter().map(|anomaly| anomaly.0).collect();
            assert_eq!((&names[..], message.complete), (expected, expected.is_empty()), "{function} {most}");
        }
    }

    #[test]
    fn after_damage_the_next_frame_is_found() {
        let mut parser = parser();
        let frame = build(0xc4, 1, 2, &[0xc0, 0xc1, 13]);
        let mut broken = frame.clone();
        broken[5] ^= 1;
        let all = [&broken[..], &frame].concat();
        assert_eq!(feed(&mut parser, Direction::ToServer, &all), ["dnp3.bad_link_crc"]);
        assert_eq!(parser.messages.find(0).unwrap().function, 13);
    }

    #[test]
    fn limits_and_what_is_unknown_have_names() {
        let mut parser = Dnp3Parser::new(Carrier::Tcp, Settings { open: 1, ..SETTINGS });
        let odd = build(0xc4, 1, 2, &[0xc0, 0xc1, 2, 77, 1, 7, 1]);
        feed(&mut parser, Direction::ToServer, &odd);
        assert_eq!(parser.messages.find(0).unwrap().anomalies[0].0, "dnp3.unknown_object");
        assert_eq!(feed(&mut parser, Direction::ToServer, &odd), ["dnp3.flooded"]);
        let many = build(0xc4, 1, 2, &[0xc0, 0xc1, 1, 60, 2, 6, 60, 3, 6, 60, 4, 6]);
        let mut parser = self::parser();
        feed(&mut parser, Direction::ToServer, &many);
        assert_eq!(parser.messages.find(0).unwrap().anomalies[0].0, "dnp3.too_many_objects");
        let parts = [&[0x40, 0xc1, 2][..], &[0; 200]].concat();
        let more = [&[0x01][..], &[0; 200]].concat();
        feed(&mut parser, Direction::ToServer, &build(0xc4, 1, 2, &parts));
        assert_eq!(feed(&mut parser, Direction::ToServer, &build(0xc4, 1, 2, &more)), ["dnp3.too_long_reassembly"]);
    }

    #[test]
    fn two_start_octets_are_enough_for_a_stream() {
        let right = build(0xc4, 1, 2, &[0xc0, 0xc1, 13]);
        let mut broken = right.clone();
        broken[8] ^= 1;
        for (data, direction, expected) in [
            (&right[..], Direction::ToServer, Probe::Yes),
            (&right, Direction::ToClient, Probe::Either),
            (&broken, Direction::ToServer, Probe::Yes),
            (&[0x05, 0x64, 1, 0, 0, 0, 0, 0, 0, 0], Direction::ToClient, Probe::Yes),
            (&[0x05, 0x64], Direction::ToServer, Probe::Unsure),
            (b"GET / HTTP/1.1", Direction::ToServer, Probe::No),
            (&[b"\x06\x64 and more", &right[..]].concat(), Direction::ToServer, Probe::Yes),
            (&[b"\x06\x64 and more", &broken[..]].concat(), Direction::ToServer, Probe::No),
        ] {
            assert_eq!(probe(Carrier::Tcp, direction, data), expected, "{data:?}");
        }
    }
}
