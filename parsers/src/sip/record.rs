//! The `sip` object of records.

use crate::json::{Array, Object};
use crate::protocol::{Purpose, Recorder, Settings, Transaction};
use crate::sip::message::Message;
use crate::sip::sdp::{Sdp, Section};

/// Reads the settings of records.
pub(super) fn recorder(settings: &Settings) -> Recorder {
    let enabled = settings.switch("enabled", true);
    Recorder::new(move |transaction: &dyn Transaction, purpose, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        if purpose == Purpose::Record && !enabled {
            return false;
        }
        record.object("sip", |sip| write(message, sip));
        true
    })
}

fn write(message: &Message, sip: &mut Object<'_>) {
    let texts = [
        ("method", message.method()),
        ("uri", message.uri()),
        ("version", message.version()),
        ("code", message.code()),
        ("reason", message.reason().filter(|reason| !reason.is_empty())),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            sip.text(key, value);
        }
    }
    if let Some(sdp) = &message.sdp {
        sip.object("sdp", |out| write_sdp(sdp, out));
    }
    for (key, line) in [("request_line", message.request_line()), ("response_line", message.response_line())] {
        if let Some(line) = line {
            sip.text(key, line);
        }
    }
}

fn write_sdp(sdp: &Sdp, out: &mut Object<'_>) {
    let single = |key: &'static str, letter: u8, out: &mut Object<'_>| {
        if let Some(value) = sdp.value(Section::Session, letter, 0) {
            out.text(key, value);
        }
    };
    // There is but one version, and it is 0.
    for (key, letter) in [
        ("origin", b'o'),
        ("session_name", b's'),
        ("session_info", b'i'),
        ("uri", b'u'),
        ("email", b'e'),
        ("phone_number", b'p'),
        ("connection_data", b'c'),
    ] {
        single(key, letter, out);
    }
    let session: Vec<_> = sdp.session().collect();
    write_all("bandwidths", b'b', &session, out);
    if session.iter().any(|line| line.0 == b't') {
        out.array("time_descriptions", |list| write_times(&session, list));
    }
    single("timezone", b'z', out);
    single("encryption_key", b'k', out);
    write_all("attributes", b'a', &session, out);
    if sdp.value(Section::Media, b'm', 0).is_some() {
        out.array("media_descriptions", |list| {
            for media in sdp.media() {
                let lines: Vec<_> = media.collect();
                list.object(|out| write_media(&lines, out));
            }
        });
    }
}

/// Each time with the first of its repetitions.
fn write_times(session: &[(u8, &[u8])], list: &mut Array<'_>) {
    let times = session.iter().filter(|line| matches!(line.0, b't' | b'r')).collect::<Vec<_>>();
    for group in times.chunk_by(|_, next| next.0 != b't') {
        list.object(|out| {
            for (key, letter) in [("time", b't'), ("repeat_time", b'r')] {
                if let Some(line) = group.iter().find(|line| line.0 == letter) {
                    out.text(key, line.1);
                }
            }
        });
    }
}

fn write_media(lines: &[(u8, &[u8])], out: &mut Object<'_>) {
    let single = |key: &'static str, letter: u8, out: &mut Object<'_>| {
        if let Some((_, value)) = lines.iter().find(|line| line.0 == letter) {
            out.text(key, value);
        }
    };
    single("media", b'm', out);
    single("media_info", b'i', out);
    single("connection_data", b'c', out);
    write_all("bandwidths", b'b', lines, out);
    single("encryption_key", b'k', out);
    write_all("attributes", b'a', lines, out);
}

fn write_all(key: &'static str, letter: u8, lines: &[(u8, &[u8])], out: &mut Object<'_>) {
    if lines.iter().any(|line| line.0 == letter) {
        out.array(key, |list| {
            for (_, value) in lines.iter().filter(|line| line.0 == letter) {
                list.text(value);
            }
        });
    }
}
