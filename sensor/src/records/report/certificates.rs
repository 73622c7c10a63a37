//! Certificates that a rule wants stored.

use std::net::IpAddr;

use data_encoding::BASE64;
use tapwire_parsers::json;
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Direction, Field, Transaction, Value};

use super::{Ends, Moment, Reporter};
use crate::flow::Flow;
use crate::inspect::Application;
use crate::records::finding::Topic;

/// The fields of a protocol in which certificates stand: each of the chain, and what is said of the first.
const CHAIN: &str = "tls.certs";
const ABOUT: [(&str, &str); 3] = [
    ("TLS SUBJECT:", "tls.cert_subject"),
    ("TLS ISSUERDN:", "tls.cert_issuer"),
    ("TLS FINGERPRINT:", "tls.cert_fingerprint"),
];
/// Letters of a line of PEM (RFC 7468).
const LINE_LETTERS: usize = 64;

impl Reporter {
    /// The certificates of each side, once a rule wants them and they are there: those of the server travel to the client.
    pub(super) fn certificates(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        for direction in [Direction::ToClient, Direction::ToServer] {
            if flow.app.wants_certificates(direction) {
                self.certificates_of(flow, direction, moment);
            }
        }
    }

    fn certificates_of(&mut self, flow: &mut Flow<Application>, direction: Direction, moment: &Moment) {
        if !self.outputs.topics.contains(&Topic::Certificates) {
            return;
        }
        let fields = flow.app.protocol.map(|id| protocol(id).fields);
        let Some(fields) = fields.filter(|fields| fields.iter().any(|field| field.name == CHAIN)) else { return };
        let mut open = flow.app.open().filter_map(|id| flow.app.transaction(id));
        let Some((transaction, chain)) = open.find_map(|open| Some((open, pem(fields, open, direction)?))) else {
            return;
        };
        let about = self.about(flow, fields, (transaction, direction), moment);
        self.batch.push_certificates(moment.place(Some(flow.id)), (moment.time, direction), &chain, &about);
        flow.app.note_certificates(direction);
    }

    fn about(
        &mut self,
        flow: &Flow<Application>,
        fields: &[Field],
        (transaction, direction): (&dyn Transaction, Direction),
        moment: &Moment,
    ) -> Vec<u8> {
        let ends = Ends::of(&flow.key, Direction::ToServer);
        let (source, destination) = ends.hosts.unzip();
        let text = |address: Option<IpAddr>| address.map(|address| address.to_string()).unwrap_or_default();
        let mut lines = vec![
            ("TIME:", self.clock.day_and_time(moment.time)),
            ("SRC IP:", text(source)),
            ("DST IP:", text(destination)),
            ("PROTO:", ends.protocol.unwrap_or_default().to_string()),
            ("SRC PORT:", ends.ports.0.to_string()),
            ("DST PORT:", ends.ports.1.to_string()),
        ];
        for (label, field) in ABOUT {
            let mut text = Vec::new();
            json::write_string(&mut text, read(fields, transaction, direction, (field, 0)).unwrap_or_default());
            // Written as in records, but for the quotes around it: one line whatever a certificate says.
            lines.push((label, String::from_utf8_lossy(&text).trim_matches('"').to_owned()));
        }
        lines.into_iter().map(|(label, text)| format!("{label:<19}{text}\n")).collect::<String>().into_bytes()
    }
}

/// The chain that went in a direction, if one did.
fn pem(fields: &[Field], transaction: &dyn Transaction, direction: Direction) -> Option<Vec<u8>> {
    read(fields, transaction, direction, (CHAIN, 0))?;
    let mut text = Vec::new();
    for der in (0..).map_while(|index| read(fields, transaction, direction, (CHAIN, index))) {
        text.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
        for line in BASE64.encode(der).as_bytes().chunks(LINE_LETTERS) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text.extend_from_slice(b"-----END CERTIFICATE-----\n");
    }
    Some(text)
}

fn read<'t>(
    fields: &[Field],
    transaction: &'t dyn Transaction,
    direction: Direction,
    (name, index): (&str, usize),
) -> Option<&'t [u8]> {
    let field = fields.iter().find(|field| field.name == name)?;
    match (field.read)(transaction.as_any(), direction, index)? {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}
