//! Functions of Lua's `string` library whose work the interpreter does not bound, in versions that count it.

use std::cell::Cell;

use mlua::{Error, Function, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Table, Value};

use super::meter::{self, Meter};
use super::pattern::{Captured, Matcher, Wrong};

/// Puts them in the place of the interpreter's.
pub(super) fn install(lua: &Lua) -> Result<()> {
    let string: Table = lua.globals().get("string")?;
    string.set("find", lua.create_function(|lua, call| search(lua, call, true))?)?;
    string.set("match", lua.create_function(|lua, call| search(lua, call, false))?)?;
    string.set("gmatch", lua.create_function(gmatch)?)?;
    string.set("gsub", lua.create_function(gsub)?)?;
    let repeat: Function = string.get("rep")?;
    let repeated = move |lua: &Lua, (text, times, between): (LuaString, i64, Option<LuaString>)| {
        let between = between.map_or(Ok(lua.create_string("")?), Ok::<_, Error>)?;
        let one = text.as_bytes().len().saturating_add(between.as_bytes().len());
        if one == 0 || times < 1 {
            return lua.create_string("");
        }
        let whole = one.saturating_mul(usize::try_from(times).unwrap_or(usize::MAX));
        meter(lua)?.hold(whole)?;
        meter::spend(lua, 1, whole)?;
        repeat.call((text, times, between))
    };
    string.set("rep", lua.create_function(repeated)?)
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Stop(stop) => Error::external(stop),
            Wrong::Pattern(what) => Error::runtime(what),
        }
    }
}

fn meter(lua: &Lua) -> Result<std::sync::Arc<Meter>> {
    Meter::of(lua).ok_or_else(|| Error::runtime("nothing runs"))
}

/// Where a search begins, from 0: places are counted from 1, negative ones from the end. `None` where that is behind the end.
fn begin(text: &[u8], init: Option<i64>) -> Option<usize> {
    let place = match init.unwrap_or(1) {
        place if place > 0 => usize::try_from(place - 1).unwrap_or(usize::MAX),
        0 => 0,
        place => text.len().saturating_sub(usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    (place <= text.len()).then_some(place)
}

type Search = (LuaString, LuaString, Option<i64>, Option<Value>);

/// `find`, `match`
fn search(lua: &Lua, (text, pattern, init, plain): Search, find: bool) -> Result<MultiValue> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let Some(start) = begin(&text, init) else { return Value::Nil.into_lua_multi(lua) };
    let place = |start: usize, end: usize| (start + 1, end);
    let plain = plain.is_some_and(|plain| !matches!(plain, Value::Nil | Value::Boolean(false)));
    if find && (plain || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))) {
        meter::spend(lua, 1, (text.len() - start).saturating_add(pattern.len()))?;
        return match memchr::memmem::find(text.get(start..).unwrap_or_default(), &pattern) {
            Some(found) => place(start + found, start + found + pattern.len()).into_lua_multi(lua),
            None => Value::Nil.into_lua_multi(lua),
        };
    }
    let meter = meter(lua)?;
    let anchored = pattern.first() == Some(&b'^');
    let pattern = pattern.get(usize::from(anchored)..).unwrap_or_default();
    let mut matcher = Matcher::new(&text, pattern, &meter);
    for start in start..=text.len() {
        if let Some(end) = matcher.at(start)? {
            if !find {
                return captured(lua, &text, &matcher.captures(start, end)?);
            }
            let (first, last) = place(start, end);
            let mut found = (first, last).into_lua_multi(lua)?;
            // The whole match is no capture here.
            if matcher.has_captures() {
                found.extend(captured(lua, &text, &matcher.captures(start, end)?)?);
            }
            return Ok(found);
        }
        if anchored {
            break;
        }
    }
    Value::Nil.into_lua_multi(lua)
}

fn captured(lua: &Lua, text: &[u8], captures: &[Captured]) -> Result<MultiValue> {
    captures.iter().map(|capture| value(lua, text, *capture)).collect()
}

fn value(lua: &Lua, text: &[u8], capture: Captured) -> Result<Value> {
    match capture {
        Captured::Bytes(start, end) => {
            let bytes = text.get(start..end).unwrap_or_default();
            meter::spend(lua, 1, bytes.len())?;
            lua.create_string(bytes).map(Value::String)
        }
        Captured::Place(place) => Ok(Value::Integer(i64::try_from(place + 1).unwrap_or(i64::MAX))),
    }
}

/// `gmatch`: a function that gives the captures of one match after the other.
fn gmatch(lua: &Lua, (text, pattern, init): (LuaString, LuaString, Option<i64>)) -> Result<Function> {
    let first = begin(&text.as_bytes(), init).unwrap_or(text.as_bytes().len() + 1);
    let state = std::sync::Mutex::new((first, None));
    lua.create_function(move |lua, _: MultiValue| {
        let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
        let meter = meter(lua)?;
        let mut matcher = Matcher::new(&text, &pattern, &meter);
        let Ok(mut state) = state.lock() else { return Value::Nil.into_lua_multi(lua) };
        let (first, last_end) = *state;
        for start in first..=text.len() {
            if let Some(end) = matcher.at(start)?.filter(|end| Some(*end) != last_end) {
                *state = (end, Some(end));
                return captured(lua, &text, &matcher.captures(start, end)?);
            }
        }
        state.0 = text.len() + 1;
        Value::Nil.into_lua_multi(lua)
    })
}

/// `gsub`
fn gsub(
    lua: &Lua,
    (text, pattern, by, most): (LuaString, LuaString, Value, Option<i64>),
) -> Result<(LuaString, usize)> {
    let by = match by {
        Value::Integer(_) | Value::Number(_) => lua.coerce_string(by)?.map_or(Value::Nil, Value::String),
        by @ (Value::String(_) | Value::Function(_) | Value::Table(_)) => by,
        other => {
            let kind = other.type_name();
            return Err(Error::runtime(format!(
                "bad argument #3 to 'gsub' (string/function/table expected, got {kind})"
            )));
        }
    };
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let anchored = pattern.first() == Some(&b'^');
    let pattern = pattern.get(usize::from(anchored)..).unwrap_or_default();
    let meter = meter(lua)?;
    let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(0));
    let mut matcher = Matcher::new(&text, pattern, &meter);
    let (mut out, mut at, mut last_end, mut count) = (Vec::new(), 0, None, 0);
    let size = Cell::new(0);
    let append = |out: &mut Vec<u8>, bytes: &[u8]| -> Result<()> {
        size.set(size.get() + bytes.len());
        meter.hold(size.get())?;
        meter.spend_bytes(bytes.len()).map_err(Error::external)?;
        out.extend_from_slice(bytes);
        Ok(())
    };
    while count < most {
        if let Some(end) = matcher.at(at)?.filter(|end| Some(*end) != last_end) {
            count += 1;
            let whole = text.get(at..end).unwrap_or_default();
            let made = match &by {
                Value::String(by) => {
                    fill(&matcher, &text, &by.as_bytes(), (at, end), &mut |bytes| append(&mut out, bytes))?;
                    None
                }
                Value::Function(by) => Some(by.call::<Value>(captured(lua, &text, &matcher.captures(at, end)?)?)?),
                Value::Table(by) => Some(by.get::<Value>(value(lua, &text, matcher.capture(0, at, end)?)?)?),
                _ => None,
            };
            match made {
                None => {}
                Some(Value::Nil | Value::Boolean(false)) => append(&mut out, whole)?,
                Some(Value::String(made)) => append(&mut out, &made.as_bytes())?,
                Some(made @ (Value::Integer(_) | Value::Number(_))) => {
                    let made = lua.coerce_string(made)?;
                    append(&mut out, made.as_ref().map(LuaString::as_bytes).as_deref().unwrap_or_default())?;
                }
                Some(other) => {
                    let kind = other.type_name();
                    return Err(Error::runtime(format!("invalid replacement value (a {kind})")));
                }
            }
            (at, last_end) = (end, Some(end));
        } else if let Some(byte) = text.get(at..=at) {
            append(&mut out, byte)?;
            at += 1;
        } else {
            break;
        }
        if anchored {
            break;
        }
    }
    append(&mut out, text.get(at..).unwrap_or_default())?;
    Ok((lua.create_string(out)?, count))
}

/// What a replacement such as `<%1>` makes of a match.
fn fill(
    matcher: &Matcher<'_>,
    text: &[u8],
    by: &[u8],
    (start, end): (usize, usize),
    append: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut rest = by;
    while let Some(escape) = memchr::memchr(b'%', rest) {
        append(rest.get(..escape).unwrap_or_default())?;
        let capture = match rest.get(escape + 1) {
            Some(b'%') => None,
            Some(b'0') => Some(Captured::Bytes(start, end)),
            Some(digit @ b'1'..=b'9') => {
                let index = usize::from(digit - b'1');
                let unknown = |_| Error::runtime(format!("invalid capture index %{} in replacement string", index + 1));
                Some(matcher.capture(index, start, end).map_err(unknown)?)
            }
            _ => return Err(Error::runtime("invalid use of '%' in replacement string")),
        };
        match capture {
            None => append(b"%")?,
            Some(Captured::Bytes(start, end)) => append(text.get(start..end).unwrap_or_default())?,
            Some(Captured::Place(place)) => append((place + 1).to_string().as_bytes())?,
        }
        rest = rest.get(escape + 2..).unwrap_or_default();
    }
    append(rest)
}
