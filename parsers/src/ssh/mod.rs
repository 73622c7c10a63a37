//! Secure Shell (RFC 4253; the identification strings of version 1 as well).
//!
//! A flow is one transaction: what each side says of itself before encryption, which is its identification string and the
//! algorithms that it offers. Their fingerprint is HASSH (<https://github.com/salesforce/hassh>, BSD licence).

mod hassh;
mod parser;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

use crate::fields;
use crate::protocol::{
    AnomalyKind, Both, Carrier, Direction, Field, Opener, Pattern, Probe, Protocol, Setting, Settings, Usual, Value,
};
use crate::ssh::parser::{Options, SshParser};
use crate::ssh::transaction::{Identity, Transaction};

/// The card of SSH.
pub static PROTOCOL: Protocol = Protocol {
    name: "ssh",
    aliases: &[],
    doc: "Secure Shell (RFC 4253).",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: &[start(Direction::ToServer), start(Direction::ToClient)],
    stands_alone: true,
    ports: &[],
    probe: |_, _, data| if data.starts_with(b"SSH-") { Probe::Yes } else { Probe::No },
    states: Both {
        to_server: &[
            "request_in_progress",
            "request_banner_wait_eol",
            "request_banner_done",
            "request_kexinit_done",
            "request_finished",
        ],
        to_client: &[
            "response_in_progress",
            "response_banner_wait_eol",
            "response_banner_done",
            "response_kexinit_done",
            "response_finished",
        ],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("ssh"),
    shows_transaction_id: false,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[
    Setting::of_parser("hassh", "yes, with `--config` where a rule looks at one", "HASSH fingerprints are made."),
    Setting::of_parser(
        "encryption-handling",
        "`track-only`",
        "What becomes of a flow once it is encrypted: `full` goes on to look at it, `bypass` does nothing more with it, anything else leaves its bytes aside.",
    ),
];

/// Progress of a direction: indexes into the states of the card.
mod state {
    pub(super) const BANNER_WAIT_EOL: u8 = 1;
    pub(super) const BANNER_DONE: u8 = 2;
    pub(super) const KEXINIT_DONE: u8 = 3;
    pub(super) const FINISHED: u8 = 4;
}

const fn start(direction: Direction) -> Pattern {
    Pattern { carrier: Carrier::Tcp, direction, bytes: b"SSH-", nocase: false, offset: 0, depth: 4 }
}

/// Fingerprints are made if the setting `hassh` says so; where it says nothing, if a rule looks at one or if everything shall be
/// shown.
fn configure(settings: &Settings) -> Opener {
    let wanted = settings.switch("extended", false)
        || FIELDS.iter().any(|f| f.name.starts_with("ssh.hassh") && settings.is_in_rules(f.name));
    let options = Options {
        hassh: settings.switch("hassh", wanted),
        reads_encrypted: settings.text("encryption-handling") == Some("full"),
    };
    Box::new(move |_| Box::new(SshParser::new(options)))
}

const BANNER: Option<u8> = Some(state::BANNER_DONE);
const KEXINIT: Option<u8> = Some(state::KEXINIT_DONE);

static FIELDS: &[Field] = fields! { Transaction:
    "ssh.proto" | "ssh_proto": Text, "Version of the protocol in the identification string (`2.0`).", [BANNER, BANNER], false,
        |tx, d, i| text(i, tx.side(d).map(|side| &side.protocol[..]));
    "ssh.software" | "ssh_software": Software, "Version of the software in the identification string, without comments.", [BANNER, BANNER], false,
        |tx, d, i| text(i, tx.side(d).map(|side| &side.software[..]));
    "ssh.hassh": Hash, "HASSH of the client.", [KEXINIT, None], false, |tx, d, i| text(i, hassh(tx.side(d)).map(|h| h.0));
    "ssh.hassh.string": Text, "The algorithms that the HASSH of the client is made of.", [KEXINIT, None], false,
        |tx, d, i| text(i, hassh(tx.side(d)).map(|h| h.1));
    "ssh.hassh.server": Hash, "HASSH of the server.", [None, KEXINIT], false, |tx, d, i| text(i, hassh(tx.side(d)).map(|h| h.0));
    "ssh.hassh.server.string": Text, "The algorithms that the HASSH of the server is made of.", [None, KEXINIT], false,
        |tx, d, i| text(i, hassh(tx.side(d)).map(|h| h.1));
    frame "frame:ssh.record.hdr", "Lengths and number of a packet before encryption, six octets.", [true, true];
    frame "frame:ssh.record.data", "The rest of such a packet.", [true, true];
    frame "frame:ssh.record.pdu", "Such a packet as a whole.", [true, true];
};

fn text(index: usize, value: Option<&[u8]>) -> Option<Value<'_>> {
    value.filter(|value| index == 0 && !value.is_empty()).map(Value::Bytes)
}

fn hassh(side: Option<&Identity>) -> Option<(&[u8], &[u8])> {
    side?.hassh.as_ref().map(|hassh| (hassh.hash.as_bytes(), &hassh.string[..]))
}

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind("ssh.invalid_banner", "invalid_banner", "A line stands where the identification string should."),
    kind("ssh.long_banner", "long_banner", "The identification string has more than 256 octets and was cut."),
    kind("ssh.invalid_record", "invalid_record", "A packet before encryption has a length or content that cannot be."),
    kind("ssh.long_kex_record", "long_kex_record", "A key exchange message is longer than 32 KiB and was passed over."),
];
