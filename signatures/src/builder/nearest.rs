//! What a name that nobody knows may have meant.

/// Names less alike than this are not the same one with a slip.
const ALIKE: f64 = 0.8;

/// A hint with the known name that is most like one that is not known; empty where none is.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // A rule may be long, a name is not.
    if name.len() > 100 {
        return String::new();
    }
    let alike = known.into_iter().map(|other| (strsim::jaro_winkler(name, other), other));
    let best = alike.filter(|(score, _)| *score >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map_or(String::new(), |(_, other)| format!("did you mean `{other}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_and_what_is_far_is_not() {
        let known = ["ipv4.trunc_pkt", "ipv6.trunc_pkt", "tcp.pkt_too_small"];
        assert_eq!(nearest("ipv4.trunk_pkt", known), "did you mean `ipv4.trunc_pkt`?");
        assert_eq!(nearest("tcp.pkt_to_small", known), "did you mean `tcp.pkt_too_small`?");
        assert_eq!(nearest("wrong", known), "");
        assert_eq!(nearest(&"x".repeat(1 << 20), known), "");
    }
}
