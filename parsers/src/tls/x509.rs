//! A certificate (RFC 5280, section 4.1) read as far as it can be: an element that is odd costs itself and nothing beside it.
//!
//! Elements are known by their place, where need be by their type. Names, texts and dates are read in forms that the standard
//! forbids, for what a client may accept is to be seen.

use data_encoding::HEXUPPER;
use x509_parser::asn1_rs::Oid;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;

use super::dates;

/// Octets of an element that is shown by what is inside, or of an object identifier: what is longer is shown as it is.
const DECODED_LIMIT: usize = 1024;
/// Most alternative names that are kept.
const NAMES_LIMIT: usize = 2048;
/// The object identifier of alternative names of the subject.
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

mod tag {
    pub(super) const OCTET_STRING: u8 = 0x04;
    pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(super) const BMP_STRING: u8 = 0x1e;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    pub(super) const VERSION: u8 = 0xa0;
    pub(super) const EXTENSIONS: u8 = 0xa3;
}

/// What could be read of a certificate.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents<'a> {
    pub(super) serial: Option<&'a [u8]>,
    pub(super) issuer: Option<Vec<u8>>,
    pub(super) subject: Option<Vec<u8>>,
    pub(super) not_before: Option<i64>,
    pub(super) not_after: Option<i64>,
    pub(super) alternative_names: Vec<Vec<u8>>,
    /// More alternative names came than are kept.
    pub(super) cut: bool,
}

/// An element: identifier octet, contents, and the octets of both.
#[derive(Clone, Copy)]
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    octets: &'a [u8],
    /// Its end did not come.
    cut: bool,
}

/// Elements one behind the other, up to a header that cannot be read. The last one may be cut.
#[derive(Clone)]
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let all = std::mem::take(&mut self.0);
        let (&tag, mut rest) = all.split_first()?;
        if tag & 0x1f == 0x1f {
            // The number goes on in octets of which all but the last have their highest bit set.
            let more = rest.iter().take_while(|octet| **octet & 0x80 != 0).count();
            rest = rest.get(more + 1..)?;
        }
        let (&first, behind) = rest.split_first()?;
        rest = behind;
        let length = match first {
            0..=0x7f => usize::from(first),
            // Of a length that is not stated the end is found by whoever reads what is inside.
            0x80 => rest.len(),
            _ => {
                let (length, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = behind;
                let length = length
                    .iter()
                    .try_fold(0_usize, |sum, octet| sum.checked_mul(256).map(|sum| sum + usize::from(*octet)));
                length.unwrap_or(usize::MAX)
            }
        };
        let cut = length > rest.len();
        let (content, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.0 = behind;
        let octets = all.get(..all.len() - behind.len()).unwrap_or(all);
        Some(Element { tag, content, octets, cut })
    }
}

impl<'a> Elements<'a> {
    /// The contents of the first element of a type, whole or not.
    fn inside(mut self, tag: u8) -> Elements<'a> {
        Elements(self.find(|element| element.tag == tag).map_or(&[], |element| element.content))
    }

    /// The next element, if it is whole.
    fn whole(&mut self) -> Option<Element<'a>> {
        self.next().filter(|element| !element.cut)
    }
}

/// Reads a certificate.
pub(super) fn read(der: &[u8]) -> Contents<'_> {
    let mut parts = Elements(der).inside(tag::SEQUENCE).inside(tag::SEQUENCE).peekable();
    let mut contents = Contents::default();
    let mut next = |wanted: fn(&Element<'_>) -> bool| parts.next_if(|part| !part.cut && wanted(part));
    next(|part| part.tag == tag::VERSION);
    contents.serial = next(|part| part.tag != tag::SEQUENCE).map(|part| part.content);
    // The algorithm stands before the issuer, unless it is missing.
    next(|part| !is_name(part));
    contents.issuer = next(|_| true).map(|part| name(part.content));
    if let Some(validity) = next(|_| true) {
        let mut dates = Elements(validity.content);
        let mut date = || dates.whole().and_then(|date| dates::seconds(date.tag, date.content));
        (contents.not_before, contents.not_after) = (date(), date());
    }
    contents.subject = next(|_| true).map(|part| name(part.content));
    if let Some(extensions) = parts.find(|part| part.tag == tag::EXTENSIONS) {
        for extension in Elements(extensions.content).inside(tag::SEQUENCE) {
            let mut parts = Elements(extension.content);
            if parts.whole().is_some_and(|part| part.content == SUBJECT_ALTERNATIVE_NAME) {
                contents.read_names(parts.inside(tag::OCTET_STRING).inside(tag::SEQUENCE));
            }
        }
    }
    contents
}

impl Contents<'_> {
    /// Whether nothing could be read.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn read_names(&mut self, names: Elements<'_>) {
        for element in names.filter(|name| !name.cut) {
            if self.alternative_names.len() == NAMES_LIMIT {
                self.cut = true;
                break;
            }
            self.alternative_names.push(alternative_name(&element));
        }
    }
}

/// Whether an element can be a name that is not empty: a sequence that begins with a set.
fn is_name(element: &Element<'_>) -> bool {
    element.tag == tag::SEQUENCE && element.content.first() == Some(&tag::SET)
}

/// A distinguished name: `C=NL, O=x, CN=y + OU=z`.
fn name(content: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for relative in Elements(content).filter(|relative| !relative.cut) {
        let mut separator: &[u8] = b", ";
        for attribute in Elements(relative.content).filter(|attribute| !attribute.cut) {
            let mut parts = Elements(attribute.content);
            let Some(kind) = parts.whole().filter(|kind| kind.tag == tag::OBJECT_IDENTIFIER) else { continue };
            if !text.is_empty() {
                text.extend_from_slice(separator);
            }
            separator = b" + ";
            attribute_name(kind.content, &mut text);
            text.push(b'=');
            if let Some(value) = parts.whole() {
                attribute_text(&value, &mut text);
            }
        }
    }
    text
}

fn attribute_name(identifier: &[u8], text: &mut Vec<u8>) {
    let long = identifier.len() > DECODED_LIMIT;
    let number = Oid::new(identifier.get(..DECODED_LIMIT).unwrap_or(identifier).into());
    match oid2abbrev(&number, oid_registry()) {
        Ok(short) if !long => text.extend_from_slice(short.as_bytes()),
        _ if long => text.extend_from_slice(format!("OID({})", HEXUPPER.encode(identifier)).as_bytes()),
        _ => text.extend_from_slice(format!("OID({})", number.to_id_string()).as_bytes()),
    }
}

fn attribute_text(value: &Element<'_>, text: &mut Vec<u8>) {
    match value.tag {
        // UTF-8, numeric, printable, teletex, videotex, IA5, graphic, visible and general strings, and descriptors of objects.
        0x07 | 0x0c | 0x12..=0x16 | 0x19..=0x1b => text.extend_from_slice(value.content),
        tag::BMP_STRING => {
            let pairs = value.content.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            let characters: Result<String, _> = char::decode_utf16(pairs).collect();
            text.extend_from_slice(characters.as_ref().map_or(value.content, String::as_bytes));
        }
        _ => text.extend_from_slice(HEXUPPER.encode(value.content).as_bytes()),
    }
}

fn alternative_name(name: &Element<'_>) -> Vec<u8> {
    // Mail address, host and URI are text whatever it is made of.
    if matches!(name.tag, 0x81 | 0x82 | 0x86) || name.octets.len() > DECODED_LIMIT {
        return name.content.to_vec();
    }
    match GeneralName::from_der(name.octets) {
        Ok((_, GeneralName::IPAddress(octets))) => format!("{octets:?}").into_bytes(),
        Ok((_, other)) => other.to_string().into_bytes(),
        Err(_) => name.content.to_vec(),
    }
}
