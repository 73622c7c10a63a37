//! Damaged captures: cut, flipped, with bytes inserted and huge lengths. No panic, no hang, and an exit status that tells.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use common::{Run, captures, captures_below, shared};

/// A small generator with a seed: the same damage in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap()
    }
}

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    match dice.roll(4) {
        0 => bytes.truncate(dice.roll(bytes.len())),
        1 => {
            for _ in 0..=dice.roll(20) {
                let at = dice.roll(bytes.len());
                bytes[at] ^= 1 << dice.roll(8);
            }
        }
        2 => {
            let at = dice.roll(bytes.len());
            let inserted: Vec<u8> = (0..dice.roll(64)).map(|_| dice.roll(256).to_le_bytes()[0]).collect();
            bytes.splice(at..at, inserted);
        }
        _ => {
            let at = dice.roll(bytes.len().saturating_sub(4));
            let end = (at + 4).min(bytes.len());
            bytes[at..end].fill(0xff);
        }
    }
}

#[test]
fn damaged_captures_end_with_a_truthful_status() {
    // `TAPWIRE_DAMAGED=10000` makes the whole round; CI does a sample.
    let rounds = std::env::var("TAPWIRE_DAMAGED").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let mut all = captures_below(&captures());
    if let Some(shared) = shared() {
        all.extend(captures_below(&shared.join("truth/captures")));
        all.extend(captures_below(&shared.join("verify/cases")));
    }
    all.retain(|capture| std::fs::metadata(capture).unwrap().len() < 1 << 20);
    let mut dice = Dice(0x7461_7077_6972_6531);
    let folder = tempfile::tempdir().unwrap();
    for round in 0..rounds {
        let capture = &all[dice.roll(all.len())];
        let mut bytes = std::fs::read(capture).unwrap();
        damage(&mut bytes, &mut dice);
        let path = folder.path().join("damaged.pcap");
        std::fs::write(&path, bytes).unwrap();
        let run = Run::replay(&path).arg("--no-rules").arg("--threads").arg("1");
        let output = run.output();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "round {round}, {}: {errors}", capture.display());
        assert!(
            matches!(output.status.code(), Some(0 | 1 | 3 | 4 | 5)),
            "round {round}, {}: {:?}",
            capture.display(),
            output.status
        );
    }
}

#[test]
fn only_a_configuration_of_the_program_itself_gives_damage_a_status() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(captures_below(&captures()).first().unwrap()).unwrap();
    let capture = folder.path().join("cut.pcap");
    std::fs::write(&capture, &whole[..whole.len() - 3]).unwrap();
    for (configuration, status, word) in [
        (None, 3, "error: "),
        (Some("stream:\n  midstream: yes\n"), 0, "warning: "),
        (Some("tapwire:\n  records: no\n"), 3, "error: "),
        (Some("tapwire:\n  damage-status: no\n"), 0, "warning: "),
    ] {
        let mut run = Run::replay(&capture).arg("--no-rules");
        if let Some(text) = configuration {
            let path = folder.path().join("site.yaml");
            std::fs::write(&path, text).unwrap();
            run = run.arg("--config").arg(path.to_str().unwrap());
        }
        let output = run.output();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{configuration:?}: {errors}");
        assert!(errors.lines().any(|line| line.starts_with(word) && line.contains("is cut off")), "{errors}");
    }
}
