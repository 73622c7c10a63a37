//! IPv4 options (RFC 791, 1108, 2113; FIPS 188): what is odd about them. Rules look at the header's bytes for what is in them.
//!
//! Where one ends nobody knows if its length cannot be: then the packet is broken. Anything else that is odd leaves it whole.

use super::{Anomalies, raise};
use crate::protocol::Anomaly;

/// Raises what is odd in the options of a header. Returns whether one of them is a source route.
pub fn check(header: &[u8], anomalies: &mut Anomalies) -> Result<bool, Anomaly> {
    let mut source_route = false;
    let mut note = |kind, option: &[u8], anomalies: &mut Anomalies| {
        source_route |= matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE);
        check_one(kind, option, anomalies);
    };
    check_each(header, &mut note, anomalies)?;
    Ok(source_route)
}

fn check_each(
    header: &[u8],
    note: &mut dyn FnMut(u8, &[u8], &mut Anomalies),
    anomalies: &mut Anomalies,
) -> Result<(), Anomaly> {
    let mut rest = header.get(20..).unwrap_or(&[]);
    if !rest.len().is_multiple_of(8) {
        raise(anomalies, "decoder.ipv4.opt_pad_required");
    }
    let mut seen = [0u64; 4];
    loop {
        let (kind, option) = match rest {
            [] | [END, ..] => return Ok(()),
            [NO_OPERATION, after @ ..] => {
                rest = after;
                continue;
            }
            [_] => {
                raise(anomalies, "decoder.ipv4.opt_eol_required");
                return Ok(());
            }
            &[kind, len, ..] => match rest.split_at_checked(usize::from(len)) {
                Some((option, after)) if len >= 2 => {
                    rest = after;
                    (kind, option)
                }
                _ => return Err(Anomaly("decoder.ipv4.opt_invalid_len")),
            },
        };
        let bit = 1 << (kind & 63);
        if let Some(bits) = seen.get_mut(usize::from(kind >> 6)) {
            if *bits & bit != 0 && KNOWN.contains(&kind) {
                raise(anomalies, "decoder.ipv4.opt_duplicate");
                continue;
            }
            *bits |= bit;
        }
        note(kind, option, anomalies);
    }
}

fn check_one(kind: u8, option: &[u8], anomalies: &mut Anomalies) {
    let len = option.len();
    let pointer = option.get(2).copied().map_or(0, usize::from);
    match kind {
        RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE if len < 3 => {
            raise(anomalies, "decoder.ipv4.opt_invalid_len");
        }
        // The pointer is that of the next address, or just past the end.
        RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE
            if pointer < 4 || !pointer.is_multiple_of(4) || pointer > len + 1 =>
        {
            raise(anomalies, "decoder.ipv4.opt_malformed");
        }
        TIMESTAMP if len < 4 => raise(anomalies, "decoder.ipv4.opt_invalid_len"),
        TIMESTAMP if pointer < 5 || pointer > len + 1 => raise(anomalies, "decoder.ipv4.opt_malformed"),
        // A level of classification, then flags as far as some are set; or a format, then what that says.
        SECURITY | EXTENDED_SECURITY if len < 3 => raise(anomalies, "decoder.ipv4.opt_invalid_len"),
        STREAM_ID | ROUTER_ALERT if len != 4 => raise(anomalies, "decoder.ipv4.opt_invalid_len"),
        COMMERCIAL_SECURITY if len < 8 => raise(anomalies, "decoder.ipv4.opt_malformed"),
        _ if !KNOWN.contains(&kind) => raise(anomalies, "decoder.ipv4.opt_unknown"),
        _ => {}
    }
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const SECURITY: u8 = 130;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const EXTENDED_SECURITY: u8 = 133;
const COMMERCIAL_SECURITY: u8 = 134;
const STREAM_ID: u8 = 136;
const STRICT_SOURCE_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;
const KNOWN: [u8; 9] = [
    RECORD_ROUTE,
    TIMESTAMP,
    SECURITY,
    LOOSE_SOURCE_ROUTE,
    EXTENDED_SECURITY,
    COMMERCIAL_SECURITY,
    STREAM_ID,
    STRICT_SOURCE_ROUTE,
    ROUTER_ALERT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_options_have_names() {
        let malformed = "decoder.ipv4.opt_malformed";
        for (options, names) in [
            (&[1, 1, 1, 1, 1, 1, 1, 0][..], &[][..]),
            (&[148, 4, 0, 0, 1, 1, 1, 0], &[]),
            (&[148, 4, 0, 0], &["decoder.ipv4.opt_pad_required"]),
            (&[1, 1, 1, 1, 1, 1, 1, 7], &["decoder.ipv4.opt_eol_required"]),
            (&[130, 4, 0xab, 0, 1, 1, 1, 0], &[]),
            (&[130, 2, 1, 1, 1, 1, 1, 0], &["decoder.ipv4.opt_invalid_len"]),
            (&[133, 3, 1, 0, 0, 0, 0, 0], &[]),
            (&[7, 3, 3, 131, 3, 3, 1, 0], &[malformed, malformed]),
            (&[7, 7, 3, 0, 0, 0, 0, 0], &["decoder.ipv4.opt_malformed"]),
            (&[131, 7, 8, 0, 0, 0, 0, 0], &[]),
            (&[131, 7, 12, 0, 0, 0, 0, 0], &["decoder.ipv4.opt_malformed"]),
            (&[148, 4, 0, 0, 148, 4, 0, 0], &["decoder.ipv4.opt_duplicate"]),
            (&[30, 2, 30, 2, 30, 2, 1, 0], &["decoder.ipv4.opt_unknown"; 3]),
        ] {
            let mut anomalies = Anomalies::new();
            check(&[&[0; 20], options].concat(), &mut anomalies).unwrap();
            assert_eq!(anomalies.iter().map(|a| a.0).collect::<Vec<_>>(), names, "{options:?}");
        }
    }

    #[test]
    fn an_option_without_an_end_breaks_the_packet() {
        for options in [&[7, 9, 4, 0, 0, 0, 0, 0][..], &[1, 7, 1, 4, 0, 0, 0, 0], &[30, 0, 1, 1, 1, 1, 1, 1]] {
            let broken = check(&[&[0; 20], options].concat(), &mut Anomalies::new());
            assert_eq!(broken, Err(Anomaly("decoder.ipv4.opt_invalid_len")), "{options:?}");
        }
    }
}
