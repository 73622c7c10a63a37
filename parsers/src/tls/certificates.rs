//! Certificates (RFC 5280) as rules and records see them.
//!
//! The fingerprint is that of the bytes, so it is there whatever they are. The rest comes from `x509-parser`; where that gives
//! up, an anomaly says at which part.

use data_encoding::{HEXLOWER, HEXUPPER};
use sha1::{Digest, Sha1};
use x509_parser::asn1_rs::{Any, BmpString, Tag};
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::hello::Reader;
use crate::protocol::{Anomaly, held};

/// Most certificates of a chain that are kept.
const CHAIN_LIMIT: usize = 32;
/// Most alternative names that are kept.
const NAMES_LIMIT: usize = 2048;

/// The first certificate of a chain, and the bytes of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The certificates as they were sent, the sender's own first.
    pub chain: Vec<Vec<u8>>,
    /// SHA-1 of the first, lower-case hex with colons.
    pub fingerprint: String,
    /// What is in the first, if it could be read.
    pub leaf: Option<Leaf>,
}

/// What is in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Whom it is for.
    pub subject: Vec<u8>,
    /// Who signed it.
    pub issuer: Vec<u8>,
    /// Upper-case hex with colons.
    pub serial: String,
    /// Start of its validity, seconds since 1970.
    pub not_before: i64,
    /// End of its validity, seconds since 1970.
    pub not_after: i64,
    /// Further names that it is for.
    pub alternative_names: Vec<Vec<u8>>,
}

impl Certificates {
    /// Bytes that they hold.
    pub(super) fn held_bytes(&self) -> usize {
        let leaf = self.leaf.as_ref().map_or(0, |leaf| {
            let names = held::list(&leaf.subject) + held::list(&leaf.issuer) + held::lists(&leaf.alternative_names);
            names + held::block(leaf.serial.capacity())
        });
        held::lists(&self.chain) + held::block(self.fingerprint.capacity()) + leaf
    }

    /// Reads the list of a certificate message.
    pub(super) fn read(list: &[u8], anomalies: &mut Vec<Anomaly>) -> Option<Certificates> {
        let mut reader = Reader(list);
        let Some(mut list) = reader.u24().and_then(|length| reader.take(length)).map(Reader) else {
            anomalies.push(Anomaly("tls.certificate_invalid_length"));
            return None;
        };
        let mut certificates = Certificates::default();
        while !list.0.is_empty() {
            let Some(der) = list.u24().and_then(|length| list.take(length)) else {
                anomalies.push(Anomaly("tls.certificate_invalid_length"));
                break;
            };
            if certificates.chain.len() == CHAIN_LIMIT {
                anomalies.push(Anomaly("tls.invalid_certificate"));
                break;
            }
            if certificates.chain.is_empty() {
                certificates = Self::single(der, anomalies);
            } else {
                certificates.chain.push(der.to_vec());
            }
        }
        (!certificates.chain.is_empty()).then_some(certificates)
    }

    /// A chain of one certificate.
    pub(super) fn single(der: &[u8], anomalies: &mut Vec<Anomaly>) -> Certificates {
        Certificates {
            chain: vec![der.to_vec()],
            fingerprint: colons(&HEXLOWER.encode(&Sha1::digest(der))),
            leaf: Leaf::read(der, anomalies),
        }
    }
}

impl Leaf {
    fn read(der: &[u8], anomalies: &mut Vec<Anomaly>) -> Option<Leaf> {
        let certificate = match X509Certificate::from_der(der) {
            Ok((_, certificate)) => certificate,
            Err(error) => {
                anomalies.push(Anomaly(anomaly_of(&error)));
                return None;
            }
        };
        let mut names = Vec::new();
        for extension in certificate.extensions() {
            if let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension() {
                names.extend(alternative.general_names.iter().take(NAMES_LIMIT - names.len()).map(name_text));
            }
        }
        let validity = certificate.validity();
        let (subject, issuer) = (distinguished_name(certificate.subject()), distinguished_name(certificate.issuer()));
        for (name, anomaly) in
            [(&subject, "tls.certificate_invalid_subject"), (&issuer, "tls.certificate_invalid_issuer")]
        {
            if std::str::from_utf8(name).is_err() {
                anomalies.push(Anomaly(anomaly));
            }
        }
        Some(Leaf {
            subject,
            issuer,
            serial: colons(&HEXUPPER.encode(certificate.raw_serial())),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            alternative_names: names,
        })
    }
}

/// A time in seconds since 1970 as records show it: `2018-04-14T20:55:27`.
pub(super) fn date_text(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60)
}

/// The date of a day counted from 1970-01-01, by eras of 400 years that begin in March.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn distinguished_name(name: &X509Name<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for relative in name.iter() {
        for (index, attribute) in relative.iter().enumerate() {
            if !text.is_empty() {
                text.extend_from_slice(if index == 0 { b", " } else { b" + " });
            }
            match oid2abbrev(attribute.attr_type(), oid_registry()) {
                Ok(short) => text.extend_from_slice(short.as_bytes()),
                Err(_) => text.extend_from_slice(format!("OID({})", attribute.attr_type().to_id_string()).as_bytes()),
            }
            text.push(b'=');
            attribute_text(attribute.attr_value(), &mut text);
        }
    }
    text
}

fn attribute_text(value: &Any<'_>, text: &mut Vec<u8>) {
    match value.tag() {
        Tag::NumericString
        | Tag::VisibleString
        | Tag::PrintableString
        | Tag::GeneralString
        | Tag::ObjectDescriptor
        | Tag::GraphicString
        | Tag::T61String
        | Tag::VideotexString
        | Tag::Utf8String
        | Tag::Ia5String => text.extend_from_slice(value.data),
        Tag::BmpString => match BmpString::try_from(value.clone()) {
            Ok(string) => text.extend_from_slice(string.string().as_bytes()),
            Err(_) => text.extend_from_slice(value.data),
        },
        _ => text.extend_from_slice(HEXUPPER.encode(value.data).as_bytes()),
    }
}

fn name_text(name: &GeneralName<'_>) -> Vec<u8> {
    match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => text.as_bytes().to_vec(),
        GeneralName::IPAddress(octets) => format!("{octets:?}").into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

fn colons(hex: &str) -> String {
    let mut text = String::with_capacity(hex.len() * 3 / 2);
    for (index, digit) in hex.chars().enumerate() {
        if index > 0 && index % 2 == 0 {
            text.push(':');
        }
        text.push(digit);
    }
    text
}

fn anomaly_of(error: &x509_parser::nom::Err<X509Error>) -> &'static str {
    let error = match error {
        x509_parser::nom::Err::Incomplete(_) => return "tls.certificate_invalid_length",
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error,
    };
    match error {
        X509Error::InvalidVersion => "tls.certificate_invalid_version",
        X509Error::InvalidSerial => "tls.certificate_invalid_serial",
        X509Error::InvalidAlgorithmIdentifier => "tls.certificate_invalid_algorithmidentifier",
        X509Error::InvalidX509Name => "tls.certificate_invalid_x509name",
        X509Error::InvalidDate => "tls.certificate_invalid_date",
        X509Error::InvalidExtensions | X509Error::DuplicateExtensions => "tls.certificate_invalid_extensions",
        X509Error::InvalidAttributes => "tls.certificate_invalid_string",
        X509Error::Der(_) => "tls.certificate_invalid_der",
        _ => "tls.invalid_certificate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Odd on purpose: a name of two parts, an unknown attribute, text beyond ASCII, names of every kind.
    const ODD: &str = "\
        MIIB9DCCAZmgAwIBAgICAOEwCgYIKoZIzj0EAwIwWTELMAkGA1UEBhMCTkwxEzARBgNVBAoMCsOcYmVyIEdtYkgxFDAIBgNVBAMMAWIwCAYDVQ\
        QLDAFhMQswCQYCUwQMA29kZDESMBAGCSqGSIb3DQEJARYDckB4MB4XDTI2MTEyNDAxMDgyN1oXDTI3MTEyNDAxMDgyN1owWTELMAkGA1UEBhMC\
        TkwxEzARBgNVBAoMCsOcYmVyIEdtYkgxFDAIBgNVBAMMAWIwCAYDVQQLDAFhMQswCQYCUwQMA29kZDESMBAGCSqGSIb3DQEJARYDckB4MFkwEw\
        YHKoZIzj0CAQYIKoZIzj0DAQcDQgAEecIHuyfNpNlQ2gtVPTULWvjhKRtX/Mh1BVFUAhFykm2S1/nc9NTtxy4jLvwCJLyqLizRIjRKpr4a0cE5\
        r70vq6NRME8wLgYDVR0RBCcwJYIBeIcECgAAAYYFdXJuOnmBA3JAeKQOMAwxCjAIBgNVBAMMAXowHQYDVR0OBBYEFMUEqXWaezVhlrtNzhgG4x\
        dDnESsMAoGCCqGSM49BAMCA0kAMEYCIQDd1BlB5dWB6QjYFwAUs1eckARj9vJWsuHwhaJWX5dORAIhAO5b68RchjzGGzQwfG2AQpG82hSqi4Ny\
        lxrE0jfLBqha\
        ";

    #[test]
    fn an_odd_certificate_is_read_whole() {
        let der = data_encoding::BASE64.decode(ODD.as_bytes()).unwrap();
        let mut anomalies = vec![];
        let certificates = Certificates::single(&der, &mut anomalies);
        let leaf = certificates.leaf.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(text(&leaf.subject), "C=NL, O=Über GmbH, CN=b + OU=a, OID(2.3.4)=odd, Email=r@x");
        assert_eq!(leaf.issuer, leaf.subject);
        assert_eq!(leaf.serial, "00:E1");
        assert_eq!((leaf.not_before, leaf.not_after), (1_795_482_507, 1_827_018_507));
        let names: Vec<_> = leaf.alternative_names.iter().map(|name| text(name)).collect();
        assert_eq!(names, ["x", "[10, 0, 0, 1]", "urn:y", "r@x", "DirectoryName(CN=z)"]);
        assert_eq!(certificates.fingerprint, "9b:61:83:ed:a0:02:6b:c1:8e:c5:36:77:a5:60:9e:3c:13:54:af:57");
        assert_eq!(anomalies, []);
    }

    #[test]
    fn a_certificate_cut_anywhere_is_an_anomaly_and_keeps_its_fingerprint() {
        let der = data_encoding::BASE64.decode(ODD.as_bytes()).unwrap();
        for length in 0..der.len() {
            let mut anomalies = vec![];
            let certificates = Certificates::single(&der[..length], &mut anomalies);
            assert_eq!((certificates.fingerprint.len(), anomalies.len()), (59, 1), "{length}");
        }
    }

    #[test]
    fn dates_are_right_before_and_after_1970() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (-86_400, "1969-12-31T00:00:00"),
            (1_523_739_327, "2018-04-14T20:55:27"),
            (951_782_400, "2000-02-29T00:00:00"),
        ] {
            assert_eq!(date_text(seconds), text);
        }
    }

    #[test]
    fn what_is_no_certificate_still_has_a_fingerprint() {
        let mut anomalies = vec![];
        let list = [0, 0, 4, 0, 0, 1, b'a'];
        let certificates = Certificates::read(&list, &mut anomalies).unwrap();
        assert_eq!(certificates.fingerprint, "86:f7:e4:37:fa:a5:a7:fc:e1:5d:1d:dc:b9:ea:ea:ea:37:76:67:b8");
        assert_eq!((certificates.leaf, anomalies.len()), (None, 1));
    }

    #[test]
    fn a_length_past_the_end_is_an_anomaly() {
        let mut anomalies = vec![];
        assert_eq!(Certificates::read(&[0, 0, 9, 1], &mut anomalies), None);
        assert_eq!(anomalies, [Anomaly("tls.certificate_invalid_length")]);
    }
}
