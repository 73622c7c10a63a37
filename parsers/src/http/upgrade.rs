//! Changes of protocol that HTTP agrees on (RFC 9110 section 7.8).

use super::transaction::Message;
use crate::protocol::{Context, Output};

/// What was agreed on with the change, as the answer states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgraded {
    /// `Sec-WebSocket-Extensions`, empty where there is none.
    pub extensions: Vec<u8>,
}

/// Names of protocols as `Upgrade` has them, and as they are known here.
const PROTOCOLS: &[(&[u8], &str)] = &[(b"websocket", "websocket"), (b"h2c", "http2")];

/// The flow goes over to what an answer with code 101 names; whether it names anything.
pub(super) fn upgrade(response: &Message, output: &mut Output<'_>) -> bool {
    let Some(token) = response.header(b"upgrade") else { return false };
    let known = PROTOCOLS.iter().find(|(name, _)| token.eq_ignore_ascii_case(name)).map(|(_, name)| *name);
    let extensions = response.header(b"sec-websocket-extensions").unwrap_or_default();
    let extensions = extensions.get(..EXTENSIONS_LIMIT).unwrap_or(extensions).to_vec();
    output.turn_into(known, known.map(|_| Context::new(Upgraded { extensions })));
    true
}

/// Bytes of a list of extensions that are kept.
const EXTENSIONS_LIMIT: usize = 1024;
