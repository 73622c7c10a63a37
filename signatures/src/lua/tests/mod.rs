//! Scripts by their text: what they may do, what stops them, where rules put them, and what they make.

mod bounded;
mod hostile;

use super::*;
use crate::builder::Environment;
use crate::language::load::{Loaded, Source as RuleFile, load};
use crate::rule::item::Item;
use crate::rule::script::{ScriptTest, ScriptTransform};
use crate::rule::{Buffer, FieldName};

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
        ("return ('a'):rep(3) == 'aaa'", true),
        ("local f, why = require('suricata.flow').get() return f == nil and why ~= nil", true),
        ("local f, why = require('suricata.file').get_file() return f == nil and why ~= nil", true),
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
        ("return ('a'):rep(1 << 24)", Settings::default(), memory),
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
fn a_transform_gives_bytes_or_leaves_them() {
    for (body, arguments, expected) in [
        ("return input:upper(), #input", vec![], "BYTES"),
        ("return input, 2", vec![], "by"),
        ("return input:reverse()", vec![], "bytes"),
        ("return input:reverse(), '3'", vec![], "set"),
        ("return args[1] .. args[2], 100", vec!["offset 2", "bytes 1"], "offset 2bytes 1"),
        ("return nil", vec![], "bytes"),
        ("return 7", vec![], "bytes"),
        ("return missing()", vec![], "bytes"),
        ("return '', 0", vec![], ""),
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
        ("http", "lua:http.uri.lua;", vec![Buffer::Field(FieldName::find("http.uri").unwrap())], 0, 0),
        ("http", "lua:http.request_headers.lua;", vec![Buffer::Field(FieldName::find("http.header").unwrap())], 0, 0),
        ("http", "http.uri; lua:none.lua;", vec![Buffer::Field(FieldName::find("http.uri").unwrap())], 0, 0),
        ("http", "http.uri; lua:buffer.lua;", vec![Buffer::Field(FieldName::find("http.uri").unwrap())], 0, 0),
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
