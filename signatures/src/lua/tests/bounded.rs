//! Functions that are bounded here give what Lua's own give.

use super::*;

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
