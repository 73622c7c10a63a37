//! Records whose data is no row of parts: places (LOC), prefixes (APL), ends of addresses (A6), identities of hosts (HIP).

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE64, HEXLOWER};

use crate::dns::presentation::Writer;

/// A place on Earth (RFC 1876): `52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m`.
pub(super) fn place(writer: &mut Writer<'_, '_>) -> Option<()> {
    let version = writer.byte()?;
    let [size, horizontal, vertical] = [writer.byte()?, writer.byte()?, writer.byte()?];
    let (latitude, longitude, altitude) = (writer.long()?, writer.long()?, writer.long()?);
    if version != 0 {
        return None;
    }
    writer.word(angle(latitude, ["N", "S"]).as_bytes());
    writer.word(angle(longitude, ["E", "W"]).as_bytes());
    // In centimetres above a level 100 km below the sea's.
    let altitude = i64::from(altitude) - 10_000_000;
    let sign = if altitude < 0 { "-" } else { "" };
    writer.word(format!("{sign}{}.{:02}m", altitude.abs() / 100, altitude.abs() % 100).as_bytes());
    for precision in [size, horizontal, vertical] {
        let (digit, power) = (u64::from(precision >> 4), u32::from(precision & 15));
        let centimetres = (digit <= 9 && power <= 9).then(|| digit * 10_u64.pow(power))?;
        writer.word(format!("{}.{:02}m", centimetres / 100, centimetres % 100).as_bytes());
    }
    Some(())
}

/// An angle in thousandths of a second of arc, from the middle of the numbers.
fn angle(number: u32, directions: [&str; 2]) -> String {
    let from_middle = i64::from(number) - (1 << 31);
    let [positive, negative] = directions;
    let direction = if from_middle < 0 { negative } else { positive };
    let (seconds, thousandths) = (from_middle.abs() / 1000, from_middle.abs() % 1000);
    format!("{} {} {}.{thousandths:03} {direction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A prefix of addresses (RFC 3123): `!1:192.0.2.0/24`.
pub(super) fn prefix(writer: &mut Writer<'_, '_>) -> Option<()> {
    let (family, bits, length) = (writer.short()?, writer.byte()?, writer.byte()?);
    let octets = writer.take(usize::from(length & 0x7f))?;
    let address = match family {
        1 => Ipv4Addr::from(padded(octets)?).to_string(),
        2 => Ipv6Addr::from(padded(octets)?).to_string(),
        _ => return None,
    };
    let negation = if length & 0x80 != 0 { "!" } else { "" };
    writer.word(format!("{negation}{family}:{address}/{bits}").as_bytes());
    Some(())
}

/// Octets with the zeros behind them that were left off.
fn padded<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(all)
}

/// The end of an IPv6 address behind a prefix that is found at a name (RFC 2874): `64 ::1 net.example`.
pub(super) fn suffix(writer: &mut Writer<'_, '_>) -> Option<()> {
    let bits = writer.byte()?;
    let octets = writer.take(usize::from(128_u8.checked_sub(bits)?.div_ceil(8)))?;
    let mut address = [0; 16];
    address.get_mut(16 - octets.len()..)?.copy_from_slice(octets);
    writer.word(format!("{bits} {}", Ipv6Addr::from(address)).as_bytes());
    if bits > 0 { writer.name() } else { Some(()) }
}

/// A host's identity (RFC 8005): algorithm, tag and key; its servers follow.
pub(super) fn identity(writer: &mut Writer<'_, '_>) -> Option<()> {
    let (tag_length, algorithm, key_length) = (writer.byte()?, writer.byte()?, writer.short()?);
    let (tag, key) = (writer.take(tag_length.into())?, writer.take(key_length.into())?);
    writer.word(format!("{algorithm} {} {}", HEXLOWER.encode(tag), BASE64.encode(key)).as_bytes());
    Some(())
}
