//! Counts the instructions of a script, and stops it.
//!
//! The hooks of `mlua` cannot be used for that: to raise an error they clear the stack of the function that they interrupted, which
//! closes its `<close>` variables while hooks are off, so that a script's own code runs without any limit. Hence this one, which says
//! what is wrong as the interpreter itself does.
#![allow(unsafe_code, reason = "the interpreter calls a hook with its bare state")]

use std::cell::RefCell;
use std::sync::Arc;

use mlua::{Lua, Result, ffi};

use super::meter::Meter;

thread_local! {
    /// Of the call that runs in this thread.
    static METER: RefCell<Option<Arc<Meter>>> = const { RefCell::new(None) };
}

/// Charges a meter for every so many instructions from here on.
pub(super) fn count(lua: &Lua, meter: &Arc<Meter>, every: u16) -> Result<()> {
    METER.with(|current| current.replace(Some(Arc::clone(meter))));
    // SAFETY: to set a hook neither raises an error nor touches the stack, and the state outlives it.
    unsafe { lua.exec_raw((), |state| ffi::lua_sethook(state, Some(interrupt), ffi::LUA_MASKCOUNT, every.into())) }
}

/// # Safety
/// Called by the interpreter with its state, which has room for a few values.
unsafe extern "C-unwind" fn interrupt(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: the state is valid as long as this function runs. `lua_error` leaves this frame, in which nothing is to be dropped then.
    unsafe {
        let instructions = ffi::lua_gethookcount(state).unsigned_abs().into();
        let meter = METER.with(|current| current.try_borrow().ok().and_then(|meter| meter.clone()));
        let stop = meter.and_then(|meter| meter.spend(instructions).err());
        if let Some(stop) = stop {
            // A script that catches the error is stopped at its next instruction.
            ffi::lua_sethook(state, Some(interrupt), ffi::LUA_MASKCOUNT, 1);
            ffi::luaL_where(state, 0);
            ffi::lua_pushstring(state, stop.text().as_ptr());
            ffi::lua_concat(state, 2);
            ffi::lua_error(state);
        }
    }
}
