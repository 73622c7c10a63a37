//! The letters of Suricata's command line, for those who have them in their fingers.

/// Commands that such a line may begin with.
const COMMANDS: [&str; 3] = ["replay", "run", "check"];

/// What a command line with those letters is here; nothing where there are none.
pub(super) fn translated(arguments: &[String]) -> Option<String> {
    let (mut captures, mut interfaces, mut options, mut check) = (Vec::new(), Vec::new(), Vec::new(), false);
    let mut known = 0;
    let mut words = arguments.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let (letter, joined) = match word.as_bytes() {
            [b'-', letter, ..] if *letter != b'-' => (*letter, word.get(2..).filter(|rest| !rest.is_empty())),
            [b'-', ..] => continue,
            _ if COMMANDS.contains(&word) => continue,
            _ => {
                captures.push(quoted(word));
                continue;
            }
        };
        if letter == b'T' {
            (check, known) = (true, known + 1);
            continue;
        }
        if !b"rSslcik".contains(&letter) {
            continue;
        }
        let Some(value) = joined.or_else(|| words.next_if(|word| !word.starts_with('-') || *word == "-")) else {
            continue;
        };
        known += 1;
        let value = quoted(value);
        match letter {
            b'r' => captures.push(value),
            b'i' => interfaces.push(format!("-i {value}")),
            b'S' | b's' => options.push(format!("--rules {value}")),
            b'l' => options.push(format!("--log-dir {value}")),
            b'c' => options.push(format!("--config {value}")),
            _ => options.push(format!("--checksums {}", if value == "none" { "off" } else { "on" })),
        }
    }
    let command = match (check, captures.is_empty(), interfaces.is_empty()) {
        (true, ..) => "check",
        (false, _, false) => "run",
        (false, ..) => "replay",
    };
    let mut all = vec![format!("tapwire {command}")];
    all.append(&mut options);
    if command == "run" {
        all.append(&mut interfaces);
    } else if command == "replay" {
        all.extend(if captures.is_empty() { vec!["CAPTURE".to_owned()] } else { captures });
    }
    (known > 0).then(|| all.join(" "))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_commands() {
        for (line, expected) in [
            (
                "-r a.pcap -S my.rules -l out -k none",
                Some("tapwire replay --rules my.rules --log-dir out --checksums off a.pcap"),
            ),
            ("-c s.yaml -i eth0", Some("tapwire run --config s.yaml -i eth0")),
            ("-T -c s.yaml -v", Some("tapwire check --config s.yaml")),
            ("replay -Smy.rules -ra.pcap", Some("tapwire replay --rules my.rules a.pcap")),
            ("replay -l out a.pcap b.pcap", Some("tapwire replay --log-dir out a.pcap b.pcap")),
            ("replay a.pcap", None),
            ("-r", None),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(translated(&words).as_deref(), expected, "{line}");
        }
        assert_eq!(translated(&["-r".into(), "it's.pcap".into()]).unwrap(), r"tapwire replay 'it'\''s.pcap'");
    }
}
