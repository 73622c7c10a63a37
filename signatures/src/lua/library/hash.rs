//! `suricata.hashlib`: MD5, SHA-1 and SHA-256, at once or in pieces.

use md5::Digest;
use mlua::{AnyUserData, Error, IntoLuaMulti, Lua, LuaString, MultiValue, Result, UserData, UserDataMethods};

use super::{Library, text};
use crate::lua::meter;

/// What a method costs beside its bytes.
const CALL_COST: u64 = 50;

pub(super) const LIBRARY: Library = Library {
    names: &["hashlib"],
    protocol: None,
    functions: &[
        ("md5", |lua, _, _| open(lua, Hasher::Md5(Default::default()))),
        ("sha1", |lua, _, _| open(lua, Hasher::Sha1(Default::default()))),
        ("sha256", |lua, _, _| open(lua, Hasher::Sha256(Default::default()))),
        ("md5_digest", |lua, _, arguments| digest::<md5::Md5>(lua, arguments, false)),
        ("sha1_digest", |lua, _, arguments| digest::<sha1::Sha1>(lua, arguments, false)),
        ("sha256_digest", |lua, _, arguments| digest::<sha2::Sha256>(lua, arguments, false)),
        ("md5_hexdigest", |lua, _, arguments| digest::<md5::Md5>(lua, arguments, true)),
        ("sha1_hexdigest", |lua, _, arguments| digest::<sha1::Sha1>(lua, arguments, true)),
        ("sha256_hexdigest", |lua, _, arguments| digest::<sha2::Sha256>(lua, arguments, true)),
    ],
    methods: &[],
};

fn digest<D: Digest>(lua: &Lua, arguments: &MultiValue, hex: bool) -> Result<MultiValue> {
    give(lua, &D::digest(text(lua, arguments, 0)?.as_bytes()), hex)
}

fn give(lua: &Lua, hash: &[u8], hex: bool) -> Result<MultiValue> {
    if hex { data_encoding::HEXLOWER.encode(hash).into_lua_multi(lua) } else { super::bytes(lua, Some(hash)) }
}

fn open(lua: &Lua, hasher: Hasher) -> Result<MultiValue> {
    lua.create_userdata(hasher)?.into_lua_multi(lua)
}

/// A hash that is not finished.
enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Done,
}

impl Hasher {
    fn update(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Hasher::Md5(hasher) => hasher.update(data),
            Hasher::Sha1(hasher) => hasher.update(data),
            Hasher::Sha256(hasher) => hasher.update(data),
            Hasher::Done => return Err(Error::runtime("the hash is finished")),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        match std::mem::replace(self, Hasher::Done) {
            Hasher::Md5(hasher) => Ok(hasher.finalize().to_vec()),
            Hasher::Sha1(hasher) => Ok(hasher.finalize().to_vec()),
            Hasher::Sha256(hasher) => Ok(hasher.finalize().to_vec()),
            Hasher::Done => Err(Error::runtime("the hash is finished")),
        }
    }
}

impl UserData for Hasher {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("update", |lua, hasher, data: LuaString| {
            // These are called past the listener, which counts what others do.
            meter::spend(lua, CALL_COST, data.as_bytes().len())?;
            hasher.update(&data.as_bytes())
        });
        methods.add_function("finalize", |lua, hasher: AnyUserData| {
            give(lua, &hasher.borrow_mut::<Hasher>()?.finish()?, false)
        });
        methods.add_function("finalize_to_hex", |lua, hasher: AnyUserData| {
            give(lua, &hasher.borrow_mut::<Hasher>()?.finish()?, true)
        });
    }
}
