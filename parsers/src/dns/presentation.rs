//! What records of types without members of their own say, in the form of zone files (RFC 1035 section 5.1 and the document of each
//! type): most types are a row of parts, which a table lists.
//!
//! What is broken, or of a type that has no form, is shown as RFC 3597 has it: `\# 4 0a000001`.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER};

use crate::calendar;
use crate::dns::message::{Reader, long, short};
use crate::dns::odd;
use crate::dns::services;
use crate::dns::tables::record_type;

/// A part of a record's data.
#[derive(Clone, Copy)]
enum Part {
    /// A number of one octet.
    Byte,
    /// A number of two octets.
    Short,
    /// A number of four octets.
    Long,
    /// A number of eight octets.
    LongLong,
    /// A number of six octets.
    Seconds48,
    /// A record type by its name.
    Kind,
    /// A moment of RFC 4034: `20260131235959`.
    Moment,
    /// A name.
    Name,
    /// Text with its length in front, in quotes.
    Text,
    /// The same without quotes.
    Word,
    /// Such texts up to the end.
    Texts,
    /// Text up to the end.
    LastText,
    /// Names up to the end.
    Names,
    /// Octets up to the end.
    Base64,
    /// The same, in hexadecimal.
    Hex,
    /// Octets with their length in one octet in front, `-` if there are none.
    Salt,
    /// The same as RFC 5155 has hashes.
    Hash,
    /// Octets with their length in two octets in front: the length, and they themselves.
    Sized,
    /// A set of record types.
    Kinds,
    /// An IPv4 address.
    V4,
    /// Four numbers of 16 bits (RFC 6742).
    Locator,
    /// Octets up to the end with hyphens between them.
    Hyphens,
    /// A number of a gateway's kind, with a bit in front that `AMTRELAY` has, algorithm for `IPSECKEY`, and the gateway.
    Relay,
    Gateway,
    /// Parameters of a service.
    Parameters,
    /// A place on Earth.
    Place,
    /// Prefixes of addresses.
    Prefixes,
    /// The end of an IPv6 address, and the name of the rest.
    Suffix,
    /// A host's identity.
    Identity,
}

/// The parts of a type's data, for those that are shown so.
fn layout(kind: u16) -> Option<&'static [Part]> {
    use Part::{
        Base64, Byte, Gateway, Hash, Hex, Hyphens, Identity, Kind, Kinds, LastText, Locator, Long, LongLong, Moment,
        Name, Names, Parameters, Place, Prefixes, Relay, Salt, Seconds48, Short, Sized, Suffix, Text, Texts, V4, Word,
    };
    Some(match kind {
        // MD, MF, MB, MG, MR, NSAP-PTR, DNAME
        3 | 4 | 7 | 8 | 9 | 23 | 39 => &[Name],
        // WKS
        11 => &[V4, Byte, Hex],
        // HINFO
        13 => &[Text, Text],
        // MINFO, RP, TALINK
        14 | 17 | 58 => &[Name, Name],
        // AFSDB, RT, KX, LP
        18 | 21 | 36 | 107 => &[Short, Name],
        // X25
        19 => &[Text],
        // ISDN, NINFO, SPF, AVC, RESINFO, WALLET, CLA
        20 | 56 | 99 | 258 | 261 | 262 | 263 => &[Texts],
        // SIG, RRSIG
        24 | 46 => &[Kind, Byte, Byte, Long, Moment, Moment, Short, Name, Base64],
        // KEY, DNSKEY, RKEY, CDNSKEY
        25 | 48 | 57 | 60 => &[Short, Byte, Byte, Base64],
        // PX
        26 => &[Short, Name, Name],
        // GPOS
        27 => &[Word, Word, Word],
        // LOC
        29 => &[Place],
        // NXT
        30 => &[Name, Hex],
        // NSAP, EID, NIMLOC
        22 | 31 | 32 => &[Hex],
        // ATMA
        34 => &[Byte, Hex],
        // NAPTR
        35 => &[Short, Short, Text, Text, Text, Name],
        // CERT
        37 => &[Short, Short, Byte, Base64],
        // A6
        38 => &[Suffix],
        // SINK
        40 => &[Byte, Byte, Base64],
        // APL
        42 => &[Prefixes],
        // DS, CDS, TA, DLV
        43 | 59 | 32_768 | 32_769 => &[Short, Byte, Byte, Hex],
        // IPSECKEY
        45 => &[Byte, Gateway, Base64],
        // NSEC
        47 => &[Name, Kinds],
        // DHCID, OPENPGPKEY, HHIT, BRID
        49 | 61 | 67 | 68 => &[Base64],
        // NSEC3
        50 => &[Byte, Byte, Short, Salt, Hash, Kinds],
        // NSEC3PARAM
        51 => &[Byte, Byte, Short, Salt],
        // TLSA, SMIMEA
        52 | 53 => &[Byte, Byte, Byte, Hex],
        // HIP
        55 => &[Identity, Names],
        // CSYNC
        62 => &[Long, Short, Kinds],
        // ZONEMD
        63 => &[Long, Byte, Byte, Hex],
        // SVCB, HTTPS
        64 | 65 => &[Short, Name, Parameters],
        // DSYNC
        66 => &[Kind, Byte, Short, Name],
        // NID, L64
        104 | 106 => &[Short, Locator],
        // L32
        105 => &[Short, V4],
        // EUI48, EUI64
        108 | 109 => &[Hyphens],
        // TKEY
        249 => &[Name, Moment, Moment, Short, Short, Sized, Sized],
        // TSIG
        250 => &[Name, Seconds48, Short, Sized, Short, Short, Sized],
        // URI
        256 => &[Short, Short, LastText],
        // CAA
        257 => &[Byte, Word, LastText],
        // DOA
        259 => &[Long, Long, Byte, Text, Base64],
        // AMTRELAY
        260 => &[Byte, Relay],
        // IPN
        264 => &[LongLong],
        _ => return None,
    })
}

/// What the data of a record says, which lies in the message from `start` to `end`.
pub(super) fn write(reader: &mut Reader<'_>, kind: u16, start: usize, end: usize) -> Vec<u8> {
    let shown = layout(kind).and_then(|parts| {
        let mut writer = Writer { reader, at: start, end, out: Vec::new() };
        parts.iter().try_for_each(|part| writer.part(*part))?;
        (writer.at == end).then_some(writer.out)
    });
    shown.unwrap_or_else(|| {
        let octets = reader.octets(start, end);
        let space = if octets.is_empty() { "" } else { " " };
        format!("\\# {}{space}{}", octets.len(), HEXLOWER.encode(octets)).into_bytes()
    })
}

/// Writes the parts of one record.
pub(super) struct Writer<'r, 'a> {
    reader: &'r mut Reader<'a>,
    at: usize,
    end: usize,
    out: Vec<u8>,
}

impl<'a> Writer<'_, 'a> {
    fn part(&mut self, part: Part) -> Option<()> {
        match part {
            Part::Name => return self.name(),
            Part::Names => return self.until_end(Self::name),
            Part::Text | Part::LastText => {
                let text = if matches!(part, Part::Text) { self.counted()? } else { self.rest() };
                self.quoted(text);
            }
            Part::Texts => return self.until_end(|writer| writer.part(Part::Text)),
            Part::Word => {
                let word = self.counted()?;
                self.word(b"");
                escape(word, b" ", &mut self.out);
            }
            Part::Sized => {
                let length = self.short()?;
                let octets = self.take(length.into())?;
                self.word(length.to_string().as_bytes());
                if !octets.is_empty() {
                    self.word(BASE64.encode(octets).as_bytes());
                }
            }
            Part::Kinds => return self.until_end(Self::window),
            Part::Gateway => {
                let (kind, algorithm) = (self.byte()?, self.byte()?);
                self.word(format!("{kind} {algorithm}").as_bytes());
                return self.gateway(kind);
            }
            Part::Relay => {
                let octet = self.byte()?;
                self.word(format!("{} {}", octet >> 7, octet & 0x7f).as_bytes());
                return self.gateway(octet & 0x7f);
            }
            Part::Parameters => return services::parameters(self),
            Part::Place => return odd::place(self),
            Part::Prefixes => return self.until_end(odd::prefix),
            Part::Suffix => return odd::suffix(self),
            Part::Identity => return odd::identity(self),
            _ => {
                let word = self.single(part)?;
                self.word(word.as_bytes());
            }
        }
        Some(())
    }

    /// A part that is one word.
    fn single(&mut self, part: Part) -> Option<String> {
        let number = |octets: &[u8]| octets.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet)).to_string();
        Some(match part {
            Part::Byte => number(self.take(1)?),
            Part::Short => number(self.take(2)?),
            Part::Long => number(self.take(4)?),
            Part::Seconds48 => number(self.take(6)?),
            Part::LongLong => number(self.take(8)?),
            Part::Kind => record_type(self.short()?).into_owned(),
            Part::Moment => moment(self.long()?),
            Part::Base64 => BASE64.encode(self.rest()),
            Part::Hex => HEXLOWER.encode(self.rest()),
            Part::Salt => or_dash(HEXLOWER.encode(self.counted()?)),
            Part::Hash => or_dash(BASE32HEX_NOPAD.encode(self.counted()?).to_ascii_lowercase()),
            Part::V4 => self.v4()?.to_string(),
            Part::Locator => {
                let octets = self.take(8)?;
                let parts = (0..8).step_by(2).filter_map(|at| short(octets, at));
                parts.map(|part| format!("{part:x}")).collect::<Vec<_>>().join(":")
            }
            Part::Hyphens => self.rest().iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join("-"),
            _ => return None,
        })
    }

    fn until_end(&mut self, write: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        while self.at < self.end {
            write(self)?;
        }
        Some(())
    }

    /// A word behind those before it.
    pub(super) fn word(&mut self, word: &[u8]) {
        if !self.out.is_empty() {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(word);
    }

    /// The same in quotes.
    pub(super) fn quoted(&mut self, text: &[u8]) {
        self.word(b"\"");
        escape(text, b"", &mut self.out);
        self.out.push(b'"');
    }

    /// So many octets of what is left.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let next = self.at.checked_add(count).filter(|next| *next <= self.end)?;
        let octets = self.reader.octets(self.at, next);
        self.at = next;
        Some(octets)
    }

    /// All of it.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let octets = self.reader.octets(self.at, self.end);
        self.at = self.end;
        octets
    }

    /// Octets with their number in front.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(length.into())
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.take(2).and_then(|octets| short(octets, 0))
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        self.take(4).and_then(|octets| long(octets, 0))
    }

    fn v4(&mut self) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(octets.into())
    }

    /// A name; that of the root is a dot.
    pub(super) fn name(&mut self) -> Option<()> {
        let (name, after) = self.reader.name(self.at, self.end)?;
        self.at = after;
        self.word(b"");
        match self.reader.text(name) {
            b"" => self.out.push(b'.'),
            name => self.out.extend_from_slice(name),
        }
        Some(())
    }

    /// A gateway of RFC 4025 and RFC 8777: none, an address, or a name.
    fn gateway(&mut self, kind: u8) -> Option<()> {
        let address = match kind {
            0 => ".".to_owned(),
            1 => self.v4()?.to_string(),
            2 => Ipv6Addr::from(<[u8; 16]>::try_from(self.take(16)?).ok()?).to_string(),
            3 => return self.name(),
            _ => return None,
        };
        self.word(address.as_bytes());
        Some(())
    }

    /// The types of one window of a set (RFC 4034 section 4.1.2).
    fn window(&mut self) -> Option<()> {
        let (window, bits) = (self.byte()?, self.counted()?);
        for (place, octet) in (0_u16..).step_by(8).zip(bits) {
            for bit in (0..8).filter(|bit| octet & (0x80 >> bit) != 0) {
                self.word(record_type(u16::from(window) << 8 | (place + bit) & 255).as_bytes());
            }
        }
        Some(())
    }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Text within quotes: what would end it has a backslash, what is no ASCII text its number.
pub(super) fn escape(text: &[u8], more: &[u8], out: &mut Vec<u8>) {
    for octet in text {
        match octet {
            b'"' | b'\\' => out.extend([b'\\', *octet]),
            _ if more.contains(octet) => out.extend([b'\\', *octet]),
            b' '..=b'~' => out.push(*octet),
            _ => out.extend(format!("\\{octet:03}").into_bytes()),
        }
    }
}

/// Seconds since 1970 as RFC 4034 shows them.
fn moment(seconds: u32) -> String {
    let (days, time) = (i64::from(seconds) / 86_400, seconds % 86_400);
    let (year, month, day) = calendar::date(days);
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", time / 3600, time / 60 % 60, time % 60)
}
