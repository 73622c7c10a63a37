//! Scripts by their text: what they may do, what stops them, where rules put them, and what they make.

use super::*;
use crate::builder::Environment;
use crate::language::load::{Loaded, Source as RuleFile, load};
use crate::rule::Buffer;
use crate::rule::item::Item;
use crate::rule::script::{ScriptTest, ScriptTransform};

fn script(text: &str, settings: Settings, purpose: Purpose) -> Result<Arc<Script>, String> {
    let text = text.as_bytes().to_vec();
    let files = Files::new(move |_, _| Ok(text.clone()), |_| Ok(None));
    Scripts::default().load((&files, settings), (0, "test.rules", "test.lua"), purpose, &[])
}

/// Whether the body of `match` holds, and how it failed.
fn asked(body: &str, settings: Settings) -> (bool, Failures, Vec<String>) {
    let text = format!("function init() return {{}} end\nfunction match(args) {body} end");
    let script = script(&text, settings, Purpose::Match).unwrap();
    let test = ScriptTest { script, negated: false, buffer: "buffer".into() };
    let mut runtime = Runtime::default();
    let held = runtime.holds(&test, Some(b"some bytes"), &mut Context::default());
    (held, runtime.failures, runtime.take_messages())
}

#[test]
fn what_a_script_returns_decides() {
    for (body, expected) in [
        ("return 1", true),
        ("return true", true),
        ("return 1.0", true),
        ("return 0", false),
        ("return 2", false),
        ("return false", false),
        ("return '1'", false),
        ("return", false),
        ("print('x') warn('y') return args.buffer == 'some bytes' and args.offset == 1", true),
        ("return io == nil and os == nil and debug == nil and package == nil and coroutine == nil", true),
        ("return string.format('%02x', 255) == 'ff' and math.floor(1.5) == 1 and utf8.char(65) == 'A'", true),
        (
            "local b = require('suricata.base64') return b.decode_rfc4648('d3 d3') == 'w' and b.encode_nopad('a') == 'YQ'",
            true,
        ),
        (
            "local b = require('suricata.base64') local bytes, why = b.decode('?') return bytes == nil and why ~= nil",
            true,
        ),
        (
            "local h = require('suricata.hashlib').md5() h:update('a') h:update('bc') \
          return h:finalize_to_hex() == '900150983cd24fb0d6963f7d28e17f72'",
            true,
        ),
        ("local f, why = require('suricata.flow').get() return f == nil and why ~= nil", true),
        ("local tx, why = require('suricata.ntp').get_tx() return tx == nil and why ~= nil", true),
        ("require('suricata.tls') require('suricata.ja3') return require('suricata.log').info('x') == nil", true),
    ] {
        let (held, failures, messages) = asked(body, Settings::default());
        assert_eq!((held, failures.all), (expected, 0), "{body} {messages:?}");
    }
}

#[test]
fn a_script_that_breaks_a_limit_is_stopped_and_counted() {
    let free = Settings { allow_restricted: true, ..Settings::default() };
    let blocked = Failures { all: 1, blocked: 1, ..Failures::default() };
    let instructions = Failures { all: 1, instructions: 1, ..Failures::default() };
    let memory = Failures { all: 1, memory: 1, ..Failures::default() };
    let other = Failures { all: 1, ..Failures::default() };
    for (body, settings, expected) in [
        ("pcall(error) return 1", Settings::default(), blocked),
        ("return ('a'):rep(3) == 'aaa'", Settings::default(), blocked),
        ("getmetatable('').__index = nil return 1", Settings::default(), blocked),
        ("load('return 1')() return 1", free, blocked),
        ("dofile('/etc/passwd') return 1", free, blocked),
        ("while true do end", Settings::default(), instructions),
        ("while true do pcall(function() while true do end end) end", free, instructions),
        (
            "local h = require('suricata.hashlib') while true do h.md5_digest('a') end",
            Settings::default(),
            instructions,
        ),
        ("local t = {} for i = 1, 1e9 do t[i] = tostring(i) end", Settings::default(), memory),
        ("return ('a'):rep(1 << 24)", free, memory),
        ("missing() return 1", Settings::default(), other),
        ("require('suricata.nothing') return 1", Settings::default(), other),
        ("require('os') return 1", Settings::default(), other),
        ("require('suricata.flow').get('x'):tuple()", Settings::default(), other),
    ] {
        let (held, failures, messages) = asked(body, settings);
        assert_eq!((held, failures, messages.len()), (false, expected, 1), "{body} {messages:?}");
    }
    let (held, failures, _) = asked("return pcall(error) == false and ('a'):rep(2) == 'aa'", free);
    assert!(held && failures == Failures::default());
}

#[test]
fn a_state_goes_on_after_a_failure_and_each_call_begins_with_thread_init() {
    let text = "function init() return {} end function thread_init() count = 1 end
        function match(args) if args.buffer == 'no' then error('no') end count = count + 1 return count == 2 end";
    let test = ScriptTest {
        script: script(text, Settings::default(), Purpose::Match).unwrap(),
        negated: false,
        buffer: "buffer".into(),
    };
    let mut runtime = Runtime::default();
    let mut ask = |bytes: &str| runtime.holds(&test, Some(bytes.as_bytes()), &mut Context::default());
    assert_eq!(["yes", "no", "yes"].map(&mut ask), [true, false, true]);
    assert_eq!(runtime.failures.all, 1);
}

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

#[test]
fn nothing_goes_from_one_call_to_the_next() {
    let free = Settings { allow_restricted: true, ..Settings::default() };
    for (top, body) in [
        ("", "count = (count or 0) + 1 return count"),
        ("count = 0", "count = count + 1 return count"),
        ("local count = 0", "count = count + 1 return count"),
        ("local kept = {}", "kept[#kept + 1] = 1 return #kept"),
        ("function thread_init() kept = {inner = {}} end", "table.insert(kept.inner, 1) return #kept.inner"),
        ("", "local seen = string.seen string.seen = true return not seen"),
        ("", "local seen = ('').seen string.seen = true return not seen"),
        ("", "local seen = _G.seen rawset(_G, 'seen', 1) return not seen"),
        ("", "local seen = math.seen math.seen, utf8.seen, table.seen = 1, 1, 1 return not seen"),
        ("", "local flow = require('suricata.flow') local seen = flow.seen flow.seen = 1 return not seen"),
        ("", "local held = string.find == nil string.find = nil return not held"),
        ("", "local held = getmetatable('') return not held"),
        ("local first = math.random(1 << 40)", "return first == math.random(1 << 40) or first ~= nil"),
        ("", "if seen then return 0 end seen = setmetatable({}, {__index = _G}) return 1"),
        ("local held", "if held then return 0 end held = function() return held end return 1"),
    ] {
        let text = format!("{top}\nfunction init() return {{}} end function match() {body} end");
        let test = ScriptTest {
            script: script(&text, free, Purpose::Match).unwrap(),
            negated: false,
            buffer: "buffer".into(),
        };
        let mut runtime = Runtime::default();
        let answers: Vec<bool> = (0..3).map(|_| runtime.holds(&test, None, &mut Context::default())).collect();
        assert_eq!((answers, runtime.failures.all), (vec![true; 3], 0), "{top} {body} {:?}", runtime.take_messages());
    }
}

#[test]
fn bounded_functions_answer_as_those_of_lua() {
    let free = Settings { allow_restricted: true, ..Settings::default() };
    for (code, expected) in [
        ("('hello world'):find('o w')", "5 7"),
        ("('hello'):find('l', 1, true)", "3 3"),
        ("('a.b'):find('.', 2, true)", "2 2"),
        ("('hello'):find('')", "1 0"),
        ("('hello'):find('', 6)", "6 5"),
        ("('hello'):find('', 7)", "nil"),
        ("('hello'):find('(l)(l)')", "3 4 l l"),
        ("('hello'):find('()ll()')", "3 4 3 5"),
        ("('hello'):find('^h')", "1 1"),
        ("('hello'):find('^e')", "nil"),
        ("('hello'):find('o$')", "5 5"),
        ("('hello'):find('l', -2)", "4 4"),
        ("('hello'):find('l', -99)", "3 3"),
        ("('hello'):find('xyz')", "nil"),
        ("('a\\0b'):find('\\0')", "2 2"),
        ("('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "key value"),
        ("('  trim  '):match('^%s*(.-)%s*$')", "trim"),
        ("('2024-01-02'):match('(%d+)-(%d+)-(%d+)')", "2024 01 02"),
        ("('abc'):match('b')", "b"),
        ("('abc'):match('()b')", "2"),
        ("('abc'):match('x?c')", "c"),
        ("('f(a(b)c)d'):match('%b()')", "(a(b)c)"),
        ("('THE (quick) fox'):find('%f[%a]%a+%f[%A]', 2)", "6 10"),
        ("('\"it\" \\'s\\''):match('([\"\\'])(.-)%1')", "\" it"),
        ("('a-b]c'):match('[]]')", "]"),
        ("('a-b^c'):match('[%-^]+')", "-"),
        ("('abc123'):match('[^%d]+')", "abc"),
        ("('x09az'):match('[0-9a-f]+')", "09a"),
        ("('aaa'):match('a-')", ""),
        ("('aaab'):match('a-b')", "aaab"),
        ("('aXb'):match('%u')", "X"),
        ("('hello world'):gsub('o', '0')", "hell0 w0rld 2"),
        ("('hello'):gsub('', '-')", "-h-e-l-l-o- 6"),
        ("('hello'):gsub('l', {l = 'L'})", "heLLo 2"),
        ("('hello'):gsub('%w', function(c) if c == 'l' then return 1 end end)", "he11o 5"),
        ("('hello world'):gsub('(%w+) (%w+)', '%2 %1')", "world hello 1"),
        ("('abc'):gsub('%w', '%0%0', 2)", "aabbc 2"),
        ("('abc'):gsub('^a', 'x')", "xbc 1"),
        ("('abc'):gsub('b*', 'x')", "xaxcx 3"),
        ("('abc'):gsub('.', {a = false})", "abc 3"),
        ("('100%'):gsub('%%', '%%%%')", "100%% 1"),
        ("('abc'):gsub('(b)()', '%2')", "a3c 1"),
        ("('abc'):gsub('b', 7)", "a7c 1"),
        (
            "(function() local r = '' for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do r = r .. k .. v end return r end)()",
            "a1b2",
        ),
        ("(function() local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n end)()", "4"),
        ("(function() local r = '' for w in ('one two'):gmatch('%a+', 4) do r = r .. w end return r end)()", "two"),
        ("('ab'):rep(3)", "ababab"),
        ("('ab'):rep(3, '-')", "ab-ab-ab"),
        ("('ab'):rep(0) .. ('ab'):rep(-1)", ""),
        ("table.concat({1, 2, 'x'}, ', ')", "1, 2, x"),
        ("table.concat({1, 2, 3}, '', 2, 3)", "23"),
        ("table.concat({})", ""),
        (
            "(function() local t = {1, 3} table.insert(t, 2, 2) table.insert(t, 4) return table.unpack(t) end)()",
            "1 2 3 4",
        ),
        ("(function() local t = {1, 2, 3} return table.remove(t, 1), table.remove(t), #t end)()", "1 3 1"),
        ("table.remove({})", "nil"),
        ("table.unpack(table.move({1, 2, 3}, 2, 3, 1))", "2 3 3"),
        ("table.unpack(table.move({1, 2, 3}, 1, 3, 2))", "1 1 2 3"),
        ("table.unpack(table.move({1, 2}, 1, 2, 1, {}))", "1 2"),
        ("(function() local t = {3, 1, 2, 5, 4} table.sort(t) return table.concat(t) end)()", "12345"),
        (
            "(function() local t = {'b', 'a', 'c'} table.sort(t, function(a, b) return a > b end) return table.concat(t) end)()",
            "cba",
        ),
        ("pcall(error, 'x')", "false x"),
        ("select('#', pcall(function() return 1, nil end))", "3"),
        ("xpcall(error, function(e) return e .. '!' end, 'x')", "false x!"),
        ("xpcall(function(...) return ... end, print, 1, 2)", "true 1 2"),
        ("pcall(setmetatable, {}, {__gc = print})", "false finalizers are not available"),
        ("pcall(string.rep)", "false"),
        ("pcall(table.concat, {{}})", "false invalid value (at index 1) in table for 'concat'"),
        ("pcall(table.insert, {}, 5, 1)", "false bad argument #2 to 'insert' (position out of bounds)"),
        ("collectgarbage('count') > 0", "true"),
        ("collectgarbage()", "0"),
    ] {
        let body = format!(
            "local all = table.pack({code}) local text = {{}} for i = 1, all.n do text[i] = tostring(all[i]) end
            local made = table.concat(text, ' ') if made:sub(1, #args.wanted) == args.wanted then return 1 end error(made)"
        );
        let text =
            format!("function init() return {{}} end function match(args) args = {{wanted = args.buffer}} {body} end");
        let script = script(&text, free, Purpose::Match).unwrap();
        let test = ScriptTest { script, negated: false, buffer: "buffer".into() };
        let mut runtime = Runtime::default();
        let held = runtime.holds(&test, Some(expected.as_bytes()), &mut Context::default());
        assert!(held, "{code} {:?}", runtime.take_messages());
    }
    for (code, said) in [
        ("('a'):find('[a')", "missing ']'"),
        ("('a'):find('%')", "ends with '%'"),
        ("('a'):find('(a')", "unfinished capture"),
        ("('a'):match('a)')", "invalid pattern capture"),
        ("('a'):find('%1')", "invalid capture index"),
        ("('a'):find('%f')", "missing '['"),
        ("('a'):find('%b')", "missing arguments"),
        ("('a'):find(('()'):rep(33))", "too many captures"),
        ("('a'):rep(300):find(('a?'):rep(300))", "too complex"),
        ("('a'):gsub('a', '%2')", "invalid capture index"),
        ("('a'):gsub('a', '%x')", "invalid use of '%'"),
        ("('a'):gsub('a', true)", "string/function/table expected"),
        ("('a'):gsub('a', function() return {} end)", "invalid replacement value"),
    ] {
        let (held, failures, messages) = asked(&format!("{code} return 1"), free);
        assert!(!held && failures.all == 1 && messages[0].contains(said), "{code} {messages:?}");
    }
}

#[test]
fn a_transform_gives_bytes_or_leaves_them() {
    for (body, arguments, expected) in [
        ("return input:upper(), #input", vec![], "BYTES"),
        ("return input, 2", vec![], "by"),
        ("return input:reverse()", vec![], "setyb"),
        ("return args[1] .. args[2], 100", vec!["offset 2", "bytes 1"], "offset 2bytes 1"),
        ("return nil", vec![], "bytes"),
        ("return 7", vec![], "bytes"),
        ("return missing()", vec![], "bytes"),
        ("return ''", vec![], ""),
    ] {
        let text = format!("function transform(input, args) {body} end");
        let script = script(&text, Settings::default(), Purpose::Transform).unwrap();
        let transform = ScriptTransform { script, arguments: arguments.into_iter().map(str::to_owned).collect() };
        let mut output = b"left over".to_vec();
        Runtime::default().transform(&transform, b"bytes", &mut output);
        assert_eq!(String::from_utf8_lossy(&output), expected, "{body}");
    }
}

fn rules(text: &str, allow_rules: bool) -> Loaded {
    let scripts = Settings { allow_rules, ..Settings::default() };
    let read = |_: &str, name: &str| match name.strip_suffix(".lua") {
        Some("none") => Ok("function init() return {} end function match() return 1 end".into()),
        Some("broken") => Ok("function init( return {} end".into()),
        Some("plain") => Ok("x = 1".into()),
        Some("compiled") => Ok(b"\x1bLua".to_vec()),
        Some("endless") => Ok("while true do end".into()),
        Some("variable") => {
            Ok("function init(sig) require('suricata.bytevar').map(sig, 'v') end function match() end".into())
        }
        Some(need) => Ok(format!("function init() return {{['{need}'] = 'true'}} end function match() end").into()),
        None => Err("it is not there".into()),
    };
    let files = Files::new(read, |_| Ok(None));
    load(
        &[RuleFile { name: "test.rules".into(), text: text.into() }],
        &Environment { scripts, files, ..Environment::default() },
    )
}

#[test]
fn a_script_stands_where_its_needs_are() {
    for (header, options, buffers, of_rule, of_transactions) in [
        ("tcp", "lua:none.lua;", vec![], 1, 0),
        ("tcp", "luajit:payload.lua;", vec![], 1, 0),
        ("tcp", "lua:stream.lua;", vec![Buffer::Payload], 0, 0),
        ("http", "lua:http.uri.lua;", vec![Buffer::Field("http.uri")], 0, 0),
        ("http", "lua:http.request_headers.lua;", vec![Buffer::Field("http.header")], 0, 0),
        ("http", "http.uri; lua:none.lua;", vec![Buffer::Field("http.uri")], 0, 0),
        ("http", "http.uri; lua:buffer.lua;", vec![Buffer::Field("http.uri")], 0, 0),
        ("http", "http.uri; content:\"a\"; lua:!none.lua;", vec![], 1, 0),
        ("tls", "lua:tls.lua;", vec![], 1, 1),
        ("dns", "lua:dns.request.lua;", vec![], 1, 1),
        ("tcp", "byte_extract:1,0,v; lua:variable.lua;", vec![], 1, 0),
    ] {
        let loaded = rules(&format!("alert {header} any any -> any any (msg:\"x\"; {options} sid:1;)"), true);
        assert!(loaded.faults.is_empty(), "{options} {:?}", loaded.faults);
        let rule = loaded.set.rules[0].rule().unwrap();
        let sections = rule.sections.iter().filter(|s| s.items.iter().any(|item| matches!(item, Item::Script(_))));
        assert_eq!(sections.map(|s| s.buffer).collect::<Vec<_>>(), buffers, "{options}");
        assert_eq!((rule.scripts.len(), rule.transaction.len()), (of_rule, of_transactions), "{options}");
    }
}

#[test]
fn a_script_that_cannot_be_used_is_a_fault_at_its_place() {
    for (options, said, allowed) in [
        ("lua:missing;", "it is not there", true),
        ("lua:broken.lua;", "near", true),
        ("lua:plain.lua;", "no function `match`", true),
        ("lua:compiled.lua;", "binary", true),
        ("lua:endless.lua;", "instruction limit", true),
        ("lua:nonsense.lua;", "no buffer", true),
        ("lua:buffer.lua;", "none is open", true),
        ("lua:variable.lua;", "sets no variable", true),
        ("content:\"a\"; lua:none.lua;", "switched off", false),
        ("http.uri; luaxform:none.lua; content:\"a\";", "no function `transform`", true),
    ] {
        let loaded = rules(&format!("alert tcp any any -> any any ({options} sid:1;)"), allowed);
        let [fault] = loaded.faults.as_slice() else { panic!("{options} {:?}", loaded.faults) };
        assert!(fault.fault.message.contains(said), "{options} {}", fault.fault.message);
        assert!(!fault.fault.hint.is_empty() && (fault.line, fault.column > 30) == (1, true), "{options} {fault:?}");
    }
}

#[test]
fn tenants_do_not_share_transforms() {
    let files = Files::new(|_, _| Ok(b"function transform(input) return input, #input end".to_vec()), |_| Ok(None));
    let mut scripts = Scripts::default();
    let mut load = |tenant| {
        let place = (tenant, "test.rules", "test.lua");
        scripts.load((&files, Settings::default()), place, Purpose::Transform, &[]).unwrap()
    };
    let (one, again, other) = (load(1), load(1), load(2));
    assert!(Arc::ptr_eq(&one, &again) && !Arc::ptr_eq(&one, &other));
    assert_eq!((one.tenant, other.tenant), (1, 2));
}
