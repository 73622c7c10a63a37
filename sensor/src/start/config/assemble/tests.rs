use std::fs;

use super::*;

/// What the first of some files says, flat, with the problem that refuses it or the warnings.
fn read_all(files: &[(&str, &str)]) -> Result<(String, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = text.replace("@", &folder.path().display().to_string());
        fs::write(path, text).unwrap();
    }
    let mut warnings = Vec::new();
    let place = |problem: &Problem| {
        let file = Path::new(&problem.file).file_name().unwrap().to_string_lossy().into_owned();
        format!("{file}:{}:{} {}", problem.line, problem.column, problem.message)
    };
    let root = read(&folder.path().join(files[0].0), &[], &mut warnings).map_err(|problem| place(&problem))?;
    let flat: Vec<String> = root.flatten().0.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Ok((flat.join(" "), warnings.iter().map(place).collect()))
}

#[test]
fn files_are_included_anywhere() {
    let list = ("l.yaml", "%YAML 1.1\n---\n- x\n- y: 1\n");
    let map = ("m.yaml", "a: 1\nb: 2\n");
    for (main, expected) in [
        ("k: !include l.yaml\n", "k.0=x k.1.y=1"),
        ("k: !include \"m.yaml\"\n", "k.a=1 k.b=2"),
        ("k:\n  include: m.yaml\n  b: 3\n", "k.a=1 k.b=3"),
        ("k:\n  b: 3\n  include: m.yaml\n", "k.a=1 k.b=2"),
        ("k:\n  include: l.yaml\n", "k.0=x k.1.y=1"),
        ("k: [z, !include l.yaml, w]\n", "k.0=z k.1=x k.2.y=1 k.3=w"),
        ("k:\n- include: m.yaml\n- !include m.yaml\n", "k.0.a=1 k.0.b=2 k.1.a=1 k.1.b=2"),
        ("include: [m.yaml, n.yaml]\n", "a=1 b=7 q.c=1"),
        ("include:\n- n.yaml\n- m.yaml\nq: 1\n", "a=1 b=2 q=1"),
        ("include: n.yaml\ninclude: m.yaml\n", "a=1 b=2 q.c=1"),
        ("include: @/m.yaml\n", "a=1 b=2"),
        ("!include m.yaml\n", "a=1 b=2"),
        ("include: sub/s.yaml\n", "d.a=1 d.b=2 e.deep=1"),
        ("include: empty.yaml\na: 1\n", "a=1"),
    ] {
        let files = [
            ("main.yaml", main),
            list,
            map,
            ("n.yaml", "b: 7\nq: {c: 1}\n"),
            ("sub/s.yaml", "d: !include m.yaml\ne: !include t.yaml\n"),
            ("sub/t.yaml", "deep: 1\n"),
            ("empty.yaml", "%YAML 1.1\n---\n# nothing\n"),
        ];
        assert_eq!(read_all(&files), Ok((expected.into(), Vec::new())), "{main}");
    }
}

#[test]
fn what_stands_last_counts_and_keys_are_paths() {
    for (main, expected, warned) in [
        (
            "a: 1\nb: 2\na: 3\n",
            "a=3 b=2",
            "main.yaml:3:1 the key `a` is there again, and counts instead of the one in line 1",
        ),
        ("a: {x: 1, y: 2}\na: {y: 3}\n", "a.y=3", "main.yaml:2:1 the key `a` is there again"),
        ("a: {x: 1, y: 2}\na.y: 3\na.z.w: 4\n", "a.x=1 a.y=3 a.z.w=4", ""),
        ("a.y: 3\na: {x: 1}\n", "a.x=1", ""),
        ("a: {x: {p: 1, q: 2}}\na.x: {q: 3}\n", "a.x.p=1 a.x.q=3", ""),
        (
            "l:\n- e: {f: 1, t: [u, v]}\nl.0.e.f: 2\nl.0.e.t: [w]\nl.0.e.t.1: z\n",
            "l.0.e.f=2 l.0.e.t.0=w l.0.e.t.1=z",
            "",
        ),
        ("l:\n- e: {f: 1}\nl.e.f: 2\n", "l.0.e.f=2", ""),
        ("l:\n- e: {f: 1}\nl.3.f: 2\n", "l.0.e.f=1", "main.yaml:3:1 the key `l.3.f` leads to no item"),
        (
            "default_log_dir: /x\n",
            "default-log-dir=/x",
            "main.yaml:1:1 the key `default_log_dir` is taken as `default-log-dir`",
        ),
        (
            "vars:\n  address-groups:\n    HOME_NET: any\nvars.port-groups.A_B: '1'\n",
            "vars.address-groups.HOME_NET=any vars.port-groups.A_B=1",
            "",
        ),
    ] {
        let (said, warnings) = read_all(&[("main.yaml", main)]).unwrap();
        assert_eq!(said, expected, "{main}");
        assert!(
            warnings.len() == usize::from(!warned.is_empty()) && warnings.iter().all(|w| w.starts_with(warned)),
            "{warnings:?}"
        );
    }
}

#[test]
fn what_cannot_be_is_told_at_its_place() {
    for (main, expected) in [
        ("a: 1\nb: !include gone.yaml\n", "main.yaml:2:13 the file "),
        ("include: [m.yaml,\n  gone.yaml]\n", "main.yaml:2:3 the file "),
        ("include: main.yaml\n", "main.yaml:1:10 the file `main.yaml` includes itself"),
        ("x:\n  include: bad.yaml\n", "bad.yaml:2:5 "),
        ("x:\n  a: 1\n  include: l.yaml\n", "main.yaml:3:12 what is included here has no keys"),
        ("x: !include {a: 1}\n", "main.yaml:1:13 !include"),
        ("include: {a: 1}\n", "main.yaml:1:10 here the name of a file is missing"),
        ("- a\n- b\n", "main.yaml:1:1 a configuration is a mapping"),
        ("just words\n", "main.yaml:1:1 a configuration is a mapping"),
        ("include: l.yaml\n", "main.yaml:1:1 a configuration is a mapping"),
    ] {
        let files = [("main.yaml", main), ("m.yaml", "a: 1\n"), ("l.yaml", "- a\n"), ("bad.yaml", "a: 1\nb: c: d\n")];
        let error = read_all(&files).unwrap_err();
        assert!(error.starts_with(expected), "{main}: {error}");
    }
}
