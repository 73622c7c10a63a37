//! Session Initiation Protocol (RFC 3261), with the session descriptions that it carries (SDP, RFC 8866).
//!
//! Every message is a transaction of one direction: requests go either way in a flow, one has many responses, and both carry
//! what names them.

mod message;
mod parser;
mod record;
mod sdp;
#[cfg(test)]
mod tests;

use crate::fields;
use crate::protocol::{
    AnomalyKind, Both, Carrier, Direction, Field, Opener, Pattern, Protocol, Settings, Usual, Value,
};
use crate::sip::message::{Header, Message};
use crate::sip::parser::SipParser;
use crate::sip::sdp::Section;

/// The card of SIP.
pub static PROTOCOL: Protocol = Protocol {
    name: "sip",
    aliases: &[],
    doc: "Session Initiation Protocol (RFC 3261).",
    parsed: Usual::Always,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    link: None,
    patterns: &PATTERNS,
    stands_alone: false,
    ports: &[5060, 5061],
    probe: |carrier, _, data| parser::probe(carrier, data),
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("sip"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: false,
    configure,
    recorder: record::recorder,
};

/// Begins of messages: the methods of RFC 3261 and its extensions, and that of every response.
const BEGINS: [&[u8]; 15] = [
    b"ACK ",
    b"BYE ",
    b"CANCEL ",
    b"INFO ",
    b"INVITE ",
    b"MESSAGE ",
    b"NOTIFY ",
    b"OPTIONS ",
    b"PRACK ",
    b"PUBLISH ",
    b"REFER ",
    b"REGISTER ",
    b"SUBSCRIBE ",
    b"UPDATE ",
    b"SIP/",
];

static PATTERNS: [Pattern; 4 * BEGINS.len()] = {
    let first = Pattern {
        carrier: Carrier::Udp,
        direction: Direction::ToServer,
        bytes: b"SIP/",
        nocase: false,
        offset: 0,
        depth: 4,
    };
    let mut all = [first; 4 * BEGINS.len()];
    let mut rest: &mut [Pattern] = &mut all;
    let mut begins: &[&[u8]] = &BEGINS;
    while let ([bytes, later @ ..], [a, b, c, d, after @ ..]) = (begins, rest) {
        *a = Pattern { bytes, depth: bytes.len(), ..first };
        *b = Pattern { direction: Direction::ToClient, ..*a };
        *c = Pattern { carrier: Carrier::Tcp, ..*a };
        *d = Pattern { carrier: Carrier::Tcp, ..*b };
        (begins, rest) = (later, after);
    }
    all
};

fn configure(_: &Settings) -> Opener {
    Box::new(|opening| Box::new(SipParser::new(opening.carrier)))
}

const READ: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Message:
    "sip.method": Text, "Method of a request.", [READ, READ], false, |m, d, i| single(m, d, i, Message::method);
    "sip.uri": Url, "Whom a request is for.", [READ, READ], false, |m, d, i| single(m, d, i, Message::uri);
    "sip.protocol": Text, "Name and version of the protocol, `SIP/2.0`.", [READ, READ], false, |m, d, i| single(m, d, i, Message::version);
    "sip.stat_code": Text, "Status code of a response.", [READ, READ], false, |m, d, i| single(m, d, i, Message::code);
    "sip.stat_msg": Text, "Text behind the status code of a response.", [READ, READ], false, |m, d, i| single(m, d, i, Message::reason);
    "sip.request_line": Text, "The first line of a request, without its end.", [READ, READ], false, |m, d, i| single(m, d, i, Message::request_line);
    "sip.response_line": Text, "The first line of a response, without its end.", [READ, READ], false, |m, d, i| single(m, d, i, Message::response_line);
    "sip.from": User, "Each value of the header From or f.", [READ, READ], true, |m, d, i| header(m, d, i, Header::From);
    "sip.to": User, "Each value of the header To or t.", [READ, READ], true, |m, d, i| header(m, d, i, Header::To);
    "sip.via": Text, "Each value of the header Via or v.", [READ, READ], true, |m, d, i| header(m, d, i, Header::Via);
    "sip.user_agent": Software, "Each value of the header User-Agent.", [READ, READ], true, |m, d, i| header(m, d, i, Header::UserAgent);
    "sip.content_type": Text, "Each value of the header Content-Type or c.", [READ, READ], true, |m, d, i| header(m, d, i, Header::ContentType);
    "sip.content_length": Text, "Each value of the header Content-Length or l.", [READ, READ], true, |m, d, i| header(m, d, i, Header::ContentLength);
    "sdp.origin": Text, "Who made the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'o');
    "sdp.session_name": Text, "Name of the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b's');
    "sdp.session_info": Text, "What the session is about.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'i');
    "sdp.uri": Url, "Where more is to be read of the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'u');
    "sdp.email": User, "Mail address of who is responsible for the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'e');
    "sdp.phone_number": Text, "Phone number of who is responsible for the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'p');
    "sdp.connection_data": Address, "Address of the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'c');
    "sdp.bandwidth": Text, "Each bandwidth of the session.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Session, b'b');
    "sdp.time": Text, "Each start and end of the session.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Session, b't');
    "sdp.repeat_time": Text, "Each time at which the session is repeated.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Session, b'r');
    "sdp.timezone": Text, "Changes of the time zone within the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'z');
    "sdp.encryption_key": Text, "Key of the session.", [READ, READ], false, |m, d, i| sdp(m, d, i, Section::Session, b'k');
    "sdp.attribute": Text, "Each attribute of the session.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Session, b'a');
    "sdp.media.media": Text, "Each kind of media with its port and formats.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Media, b'm');
    "sdp.media.media_info": Text, "What each of the media is about.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Media, b'i');
    "sdp.media.connection_data": Address, "Address of each of the media.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Media, b'c');
    "sdp.media.bandwidth": Text, "Each bandwidth of the media.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Media, b'b');
    "sdp.media.encryption_key": Text, "Key of each of the media.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Media, b'k');
    "sdp.media.attribute": Text, "Each attribute of the media.", [READ, READ], true, |m, d, i| sdp(m, d, i, Section::Media, b'a');
    frame "frame:sip.pdu", "A message as it travels.", [true, true];
    frame "frame:sip.request.line", "The first line of a request, with its end.", [true, true];
    frame "frame:sip.request.headers", "The headers of a request, without the empty line.", [true, true];
    frame "frame:sip.request.body", "The body of a request.", [true, true];
    frame "frame:sip.response.line", "The first line of a response, with its end.", [true, true];
    frame "frame:sip.response.headers", "The headers of a response, without the empty line.", [true, true];
    frame "frame:sip.response.body", "The body of a response.", [true, true];
};

fn single(
    message: &Message,
    direction: Direction,
    index: usize,
    read: fn(&Message) -> Option<&[u8]>,
) -> Option<Value<'_>> {
    read(message.seen_in(direction)?).filter(|_| index == 0).map(Value::Bytes)
}

fn header(message: &Message, direction: Direction, index: usize, header: Header) -> Option<Value<'_>> {
    message.seen_in(direction)?.header(header, index).map(Value::Bytes)
}

fn sdp(message: &Message, direction: Direction, index: usize, section: Section, letter: u8) -> Option<Value<'_>> {
    message.seen_in(direction)?.sdp.as_ref()?.value(section, letter, index).map(Value::Bytes)
}

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind("sip.invalid_data", "invalid_data", "What should be a message does not begin as one."),
    kind(
        "sip.headers_too_long",
        "headers_too_long",
        "The headers of a message are longer than 64 KiB; it was passed over.",
    ),
    kind(
        "sip.too_many_headers",
        "too_many_headers",
        "A header comes more often than 64 times; the rest was passed over.",
    ),
    kind(
        "sip.invalid_content_length",
        "invalid_content_length",
        "The length of the body is no number, or there are two.",
    ),
    kind("sip.invalid_sdp", "invalid_sdp", "A session description does not begin or go on as one."),
    kind(
        "sip.too_many_sdp_lines",
        "too_many_sdp_lines",
        "A session description has more than 1024 lines; the rest was passed over.",
    ),
    kind(
        "sip.too_many_messages",
        "too_many_messages",
        "More messages wait for inspection than are kept; one was passed over.",
    ),
];
