//! Bytes that an expression matches, or begins to match: what an attacker would try first.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::Options;
use super::automaton::read;

/// Bytes of a sample, and repetitions of a part in it.
const SAMPLE_BYTES: usize = 256;
const REPEATED: u32 = 64;

/// A whole match, and one byte of each of the first classes that are repeated.
pub(super) fn of_expression(pattern: &str, options: Options) -> Option<Vec<Vec<u8>>> {
    let (hir, _) = read(pattern, options)?;
    let (mut whole, mut repeated) = (Vec::new(), Vec::new());
    walk(&hir, &mut whole, &mut repeated);
    whole.truncate(SAMPLE_BYTES);
    repeated.truncate(4);
    Some(std::iter::once(whole).chain(repeated).filter(|sample| !sample.is_empty()).collect())
}

fn walk(hir: &Hir, whole: &mut Vec<u8>, repeated: &mut Vec<Vec<u8>>) {
    if whole.len() > SAMPLE_BYTES {
        return;
    }
    match hir.kind() {
        HirKind::Literal(literal) => whole.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            // A letter or digit if it has one.
            let likely = class.ranges().iter().map(|range| range.start().max(b'a').min(range.end()));
            whole.extend(likely.max_by_key(u8::is_ascii_alphanumeric));
        }
        HirKind::Class(Class::Unicode(_)) | HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Capture(group) => walk(&group.sub, whole, repeated),
        HirKind::Concat(parts) => parts.iter().for_each(|part| walk(part, whole, repeated)),
        HirKind::Alternation(ways) => {
            if let Some(way) = ways.first() {
                walk(way, whole, repeated);
            }
        }
        HirKind::Repetition(repetition) => {
            let mut unit = Vec::new();
            walk(&repetition.sub, &mut unit, repeated);
            let times = repetition.min.clamp(1, REPEATED);
            (0..times).for_each(|_| whole.extend_from_slice(&unit));
            repeated.push(unit);
        }
    }
}

/// The letters, digits and signs of an expression that cannot be read as above, each by itself and all together.
pub(super) fn of_text(pattern: &str) -> Vec<Vec<u8>> {
    let plain: Vec<u8> =
        pattern.bytes().filter(|byte| byte.is_ascii_alphanumeric() || b"<>=\"',;:/.&?_- ".contains(byte)).collect();
    let mut single = plain.clone();
    single.sort_unstable();
    single.dedup();
    let all = plain.get(..SAMPLE_BYTES.min(plain.len())).unwrap_or_default().to_vec();
    std::iter::once(all).chain(single.into_iter().map(|byte| vec![byte])).filter(|sample| !sample.is_empty()).collect()
}
