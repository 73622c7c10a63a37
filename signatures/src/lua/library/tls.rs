//! `suricata.tls` and `suricata.ja3`

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};
use tapwire_parsers::protocol::Direction;
use tapwire_parsers::tls::{Transaction, version_name};

use super::transaction::{give, read_bytes};
use super::{Library, give_or, nothing};
use crate::lua::context::Context;

// What a side sends travels to the other: the client's certificate to the server.
const CLIENT: Direction = Direction::ToServer;
const SERVER: Direction = Direction::ToClient;

pub(super) const LIBRARY: Library = Library {
    names: &["tls"],
    protocol: Some("tls"),
    functions: &[],
    methods: &[
        ("get_sni", |lua, context, _| give(lua, context, "tls.sni", None)),
        ("get_client_version", |lua, context, _| version(lua, context, CLIENT)),
        ("get_server_version", |lua, context, _| version(lua, context, SERVER)),
        ("get_client_serial", |lua, context, _| give(lua, context, "tls.cert_serial", Some(CLIENT))),
        ("get_server_serial", |lua, context, _| give(lua, context, "tls.cert_serial", Some(SERVER))),
        ("get_client_cert_info", |lua, context, _| certificate(lua, context, CLIENT)),
        ("get_server_cert_info", |lua, context, _| certificate(lua, context, SERVER)),
        ("get_client_cert_chain", |lua, context, _| chain(lua, context, CLIENT)),
        ("get_server_cert_chain", |lua, context, _| chain(lua, context, SERVER)),
        ("get_client_cert_not_before", |lua, context, _| date(lua, context, |tls| tls.not_before(CLIENT))),
        ("get_server_cert_not_before", |lua, context, _| date(lua, context, |tls| tls.not_before(SERVER))),
        ("get_client_cert_not_after", |lua, context, _| date(lua, context, |tls| tls.not_after(CLIENT))),
        ("get_server_cert_not_after", |lua, context, _| date(lua, context, |tls| tls.not_after(SERVER))),
    ],
};

pub(super) const JA3: Library = Library {
    names: &["ja3"],
    protocol: Some("tls"),
    functions: &[
        // Fingerprints are made unless the configuration says no, and a script does not overrule it.
        ("enable_ja3", |lua, _, _| ().into_lua_multi(lua)),
    ],
    methods: &[
        ("ja3_get_hash", |lua, context, _| give(lua, context, "ja3.hash", None)),
        ("ja3_get_string", |lua, context, _| give(lua, context, "ja3.string", None)),
        ("ja3s_get_hash", |lua, context, _| give(lua, context, "ja3s.hash", None)),
        ("ja3s_get_string", |lua, context, _| give(lua, context, "ja3s.string", None)),
    ],
};

fn transaction<'a>(context: &Context<'a>) -> Option<&'a Transaction> {
    context.subject?.transaction.as_any().downcast_ref()
}

fn version_of(context: &Context<'_>, direction: Direction) -> Option<String> {
    transaction(context).map(|tls| version_name(tls.version(direction)).to_string())
}

fn version(lua: &Lua, context: &mut Context<'_>, direction: Direction) -> Result<MultiValue> {
    give_or(lua, version_of(context, direction), "there is no transaction")
}

/// A date of a side's certificate.
fn date(lua: &Lua, context: &Context<'_>, read: fn(&Transaction) -> Option<i64>) -> Result<MultiValue> {
    give_or(lua, transaction(context).and_then(read), "there is no certificate with such a date")
}

/// Version, subject, issuer and fingerprint.
fn certificate(lua: &Lua, context: &mut Context<'_>, direction: Direction) -> Result<MultiValue> {
    let one = |name| read_bytes(context, name, Some(direction)).map(|value| lua.create_string(value)).transpose();
    let (subject, issuer) = (one("tls.cert_subject")?, one("tls.cert_issuer")?);
    if subject.is_none() {
        return nothing(lua, "there is no certificate");
    }
    (version_of(context, direction), subject, issuer, one("tls.cert_fingerprint")?).into_lua_multi(lua)
}

fn chain(lua: &Lua, context: &mut Context<'_>, direction: Direction) -> Result<MultiValue> {
    let Some(certificates) = transaction(context).and_then(|tls| tls.certificates(direction)) else {
        return nothing(lua, "there is no certificate");
    };
    let list = lua.create_table()?;
    for der in &certificates.chain {
        let one = lua.create_table()?;
        one.raw_set("data", lua.create_string(der)?)?;
        one.raw_set("length", der.len())?;
        list.raw_push(one)?;
    }
    list.into_lua_multi(lua)
}
