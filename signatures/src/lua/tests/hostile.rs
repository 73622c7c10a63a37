//! Scripts that want to hang a worker.

use super::*;

/// What scripts that want to hang a worker are made of: each has an own version, or its steps are instructions, or its memory ends it.
const HOSTILE: &[&str] = &[
    // table: bounds that no table has
    "table.move({}, 1, 1e15, 2)",
    "table.move({}, math.mininteger, -2, 1)",
    "table.move({}, 1, 1e15, 2, {})",
    "table.concat(setmetatable({}, {__index = function() return '' end}), '', 1, 1e15)",
    "table.concat(setmetatable({}, {__index = function() return '' end, __len = function() return 1e15 // 1 | 0 end}))",
    "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 'a')",
    "table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)",
    "table.sort(setmetatable({}, {__len = function() return 1 << 60 end, __index = function() return 1 end}))",
    "local t = {} for i = 1, 1000 do t[i] = i end while true do table.sort(t, function() return true end) end",
    "local t = {} for i = 1, 1000 do t[i] = i end while true do table.sort(t) end",
    "while true do table.unpack({}, 1, 1000) end",
    "while true do table.pack(1, 2, 3) end",
    "table.unpack({}, 1, 9e6 // 1 | 0)",
    "select('#', table.unpack({}, 1, 100000))",
    // string: patterns, and results that are long or empty
    "local s = ('a'):rep(3000) s:find('.-.-.-.-.-.-.-b')",
    "local s = ('a'):rep(3000) s:match('(.*)(.*)(.*)(.*)b')",
    "local s = ('a'):rep(3000) s:gsub('a*a*a*a*a*b', '')",
    "local s = ('a'):rep(3000) for x in s:gmatch('a*a*a*a*b') do end",
    "local s = ('('):rep(3000) while true do s:find('%b()') end",
    "local s = ('a'):rep(9000) while true do s:find('[' .. s .. ']b') end",
    "local s = ('a'):rep(9000) while true do s:find(s .. 'b', 1, true) end",
    "local s = ('a'):rep(9000) while true do s:find('%f[b]') end",
    "local s = ('a'):rep(9000) s:gsub('', s)",
    "local s = ('a'):rep(9000) s:gsub('a', '%0' .. s)",
    "(''):rep(1e15 // 1 | 0)",
    "(''):rep(1e15 // 1 | 0, '')",
    "('a'):rep(1e15 // 1 | 0)",
    "('a'):rep(2, ('b'):rep(1 << 30))",
    "while true do ('a'):rep(1000) end",
    "while true do string.format('%99.99f%-99d%99s', 1e308, 1, 'x') end",
    "local s = ('a'):rep(100000) while true do string.format('%s%q', s, s) end",
    "local s = ('a'):rep(100000) while true do s:byte(1, 9000) end",
    "local s = ('a'):rep(100000) while true do s:upper() s:lower() s:reverse() s:sub(2) s:len() end",
    "while true do string.char(table.unpack({65, 66, 67})) end",
    "while true do string.pack('i4z', 1, 'a') string.unpack('<i4', 'abcd') string.packsize('i4i8') end",
    "string.pack('c999999999', 'a')",
    "while true do string.dump(function() end) end",
    // utf8
    "local s = ('a'):rep(100000) while true do utf8.len(s) utf8.offset(s, 90000) end",
    "local s = ('a'):rep(9000) while true do utf8.codepoint(s, 1, 9000) end",
    "local s = ('a'):rep(9000) while true do for p, c in utf8.codes(s) do end end",
    "while true do utf8.char(1, 2, 3) end",
    // what the interpreter does for one instruction
    "local s = 'a' while true do s = s .. s end",
    "local s = ('a'):rep(200000) while true do local t = s .. 'b' end",
    "local s = ('0'):rep(200000) while true do local t = s + 1 end",
    "local s = ('0'):rep(200000) while true do local t = s & 1 end",
    "local s = (' '):rep(200000) while true do tonumber(s) tonumber(s, 36) end",
    "local a, b = ('a'):rep(200000) .. 'b', ('a'):rep(200000) .. 'c' while true do local t = a < b or a == b end",
    "local t = {} for i = 1, 4096 do t[i + 0.5] = i end for i = 1, 4096 do t[i + 0.5] = nil end while true do next(t) end",
    "local t, i = {}, 0 while true do i = i + 1 t['k' .. i] = 1 if i > 4096 then t['k' .. i - 4096] = nil end end",
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} t[1] = t while true do local n = #t rawlen(t) rawequal(t, t) rawget(t, 1) rawset(t, 1, t) end",
    // other functions
    "while true do collectgarbage() end",
    "collectgarbage('stop') while true do local t = {} end",
    "while true do collectgarbage('step', 1) collectgarbage('incremental', 1, 1, 1) collectgarbage('generational') end",
    "while true do print('a') warn('@on') tostring({}) type(1) select(-1, 1, 2) assert(1) math.random() end",
    "while true do for k, v in pairs(_G) do end for i, v in ipairs({1, 2}) do end end",
    "while true do require('suricata.flow') require('suricata.hashlib') end",
    "local h = require('suricata.hashlib').sha256() local s = ('a'):rep(200000) while true do h:update(s) end",
    "local b, s = require('suricata.base64'), ('a'):rep(99999) while true do b.encode(s) b.decode(s) end",
    "local function f() return f() end f()",
    "local function f() local x = f() return x end f()",
    // metamethods
    "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x",
    "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) tostring(t)",
    "local m = {} m.__concat = function(a, b) return a .. b end return setmetatable({}, m) .. 'x'",
    "local m = {} m.__eq = function(a, b) return a == b end return setmetatable({}, m) == setmetatable({}, m)",
    "local m = {} m.__lt = function() while true do end end return setmetatable({}, m) < setmetatable({}, m)",
    "for k in pairs(setmetatable({}, {__pairs = function() return function() return 1 end end})) do end",
    "local t <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
    "local t <close> = setmetatable({}, {__close = function() while true do end end})",
    "for k in next, {1}, nil, setmetatable({}, {__close = function() while true do end end}) do while true do end end",
    "error(setmetatable({}, {__tostring = function() while true do end end}))",
    "error(setmetatable({}, {__tostring = function() error(setmetatable({}, {__tostring = error})) end}))",
    // those that would catch the limit
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(pcall, pcall, string.rep, 'a', 1e15) end",
    "pcall(function() while true do end end) while true do end",
    "while true do pcall(error) end",
    "xpcall(function() while true do end end, function() while true do end end)",
    "xpcall(error, function() while true do end end)",
    "while true do xpcall(function() while true do end end, function() return 1 end) end",
    "xpcall(table.move, function() while true do end end, {}, 1, 1e15, 2)",
    "local function f() pcall(f) while true do pcall(f) end end f()",
    "setmetatable({}, {__gc = function() while true do end end}) collectgarbage()",
    "local m = {} local t = setmetatable({}, m) m.__gc = function() while true do end end t = nil collectgarbage() while true do end",
];

#[test]
fn no_script_runs_without_end() {
    let free = Settings { allow_restricted: true, ..Settings::default() };
    let more = Settings { max_bytes: 4 << 20, max_instructions: 0, max_time_ms: 5, ..free };
    for body in HOSTILE {
        for settings in [free, more] {
            // Some end by themselves, or with an error of their own; nothing of them is a match.
            let (held, failures, messages) = asked(body, settings);
            assert!(!held && failures.all == messages.len() as u64, "{body} {messages:?}");
        }
        // The same where the script is loaded: at its top and in what is called then.
        for text in [format!("{body} function match() end"), format!("function match() end function init() {body} end")]
        {
            let loaded = script(&text, free, Purpose::Match);
            assert!(loaded.is_err() || !text.contains("while true"), "{text}");
        }
    }
}

#[test]
fn what_stops_a_script_is_not_caught() {
    let free = Settings { allow_restricted: true, ..Settings::default() };
    for body in [
        "pcall(function() while true do end end) return 1",
        "pcall(table.move, {}, 1, 1e15, 2) return 1",
        "pcall(string.find, ('a'):rep(3000), '.-.-.-.-.-.-.-b') return 1",
        "xpcall(function() while true do end end, function() end) return 1",
        "xpcall(function() while true do end end, function() while true do end end) return 1",
        "do local t <close> = setmetatable({}, {__close = function() pcall(function() while true do end end) end}) end return 1",
        "table.sort({3, 2, 1}, function() pcall(function() while true do end end) return true end) return 1",
        "('a'):gsub('a', function() pcall(function() while true do end end) return 'b' end) return 1",
    ] {
        let (held, failures, messages) = asked(body, free);
        let expected = Failures { all: 1, instructions: 1, ..Failures::default() };
        assert_eq!((held, failures, messages.len()), (false, expected, 1), "{body} {messages:?}");
    }
    let slow = Settings { max_instructions: 0, max_time_ms: 1, ..free };
    let (held, failures, messages) = asked("while true do pcall(function() while true do end end) end", slow);
    assert_eq!((held, failures.time), (false, 1));
    assert!(messages[0].ends_with("time limit exceeded"), "{messages:?}");
}
