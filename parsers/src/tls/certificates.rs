//! Certificates (RFC 5280) as rules and records see them.
//!
//! The fingerprint is that of the bytes, so it is there whatever they are. The rest is read as far as it can be; where the strict
//! reader, `x509-parser`, gives up, an anomaly says at which part.

use data_encoding::{HEXLOWER, HEXUPPER};
use sha1::{Digest, Sha1};
use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::hello::Reader;
use super::x509::{self, Contents};
use crate::protocol::{Anomaly, held};

/// Most certificates of a chain that are kept.
const CHAIN_LIMIT: usize = 32;

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

/// What is in a certificate, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Whom it is for.
    pub subject: Option<Vec<u8>>,
    /// Who signed it.
    pub issuer: Option<Vec<u8>>,
    /// Upper-case hex with colons.
    pub serial: Option<String>,
    /// Start of its validity, seconds since 1970.
    pub not_before: Option<i64>,
    /// End of its validity, seconds since 1970.
    pub not_after: Option<i64>,
    /// Further names that it is for.
    pub alternative_names: Vec<Vec<u8>>,
}

impl Certificates {
    /// Bytes that they hold.
    pub(super) fn held_bytes(&self) -> usize {
        let leaf = self.leaf.as_ref().map_or(0, |leaf| {
            let names: usize = [&leaf.subject, &leaf.issuer].into_iter().flatten().map(held::list).sum();
            let serial = leaf.serial.as_ref().map_or(0, |serial| held::block(serial.capacity()));
            names + held::lists(&leaf.alternative_names) + serial
        });
        held::lists(&self.chain) + held::block(self.fingerprint.capacity()) + leaf
    }

    /// Reads the list of a certificate message, of which only the first octets came where it is `cut`.
    pub(super) fn read(list: &[u8], cut: bool, anomalies: &mut Vec<Anomaly>) -> Option<Certificates> {
        let mut reader = Reader(list);
        let list = reader.u24().and_then(|length| if cut { Some(reader.0) } else { reader.take(length) });
        let Some(mut list) = list.map(Reader) else {
            anomalies.push(Anomaly("tls.certificate_invalid_length"));
            return None;
        };
        let mut certificates = Certificates::default();
        while !list.0.is_empty() {
            let Some(der) = list.u24().and_then(|length| list.take(length)) else {
                if !cut {
                    anomalies.push(Anomaly("tls.certificate_invalid_length"));
                }
                break;
            };
            if certificates.chain.len() == CHAIN_LIMIT {
                anomalies.push(Anomaly("tls.handshake_cut"));
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
        if let Err(error) = X509Certificate::from_der(der) {
            anomalies.push(Anomaly(anomaly_of(&error)));
        }
        let contents = x509::read(der);
        if contents.is_empty() {
            return None;
        }
        let Contents { serial, issuer, subject, not_before, not_after, alternative_names, cut } = contents;
        let is_text = |name: &Option<Vec<u8>>| name.as_ref().is_none_or(|name| std::str::from_utf8(name).is_ok());
        for (happened, anomaly) in [
            (!is_text(&subject), "tls.certificate_invalid_subject"),
            (!is_text(&issuer), "tls.certificate_invalid_issuer"),
            (cut, "tls.handshake_cut"),
        ] {
            if happened {
                anomalies.push(Anomaly(anomaly));
            }
        }
        let serial = serial.map(|serial| colons(&HEXUPPER.encode(serial)));
        Some(Leaf { subject, issuer, serial, not_before, not_after, alternative_names })
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
        assert_eq!(text(leaf.subject.as_ref().unwrap()), "C=NL, O=Über GmbH, CN=b + OU=a, OID(2.3.4)=odd, Email=r@x");
        assert_eq!(leaf.issuer, leaf.subject);
        assert_eq!(leaf.serial.as_deref(), Some("00:E1"));
        assert_eq!((leaf.not_before, leaf.not_after), (Some(1_795_482_507), Some(1_827_018_507)));
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

    /// The odd certificate with the first `from` in it replaced by `to`, which is as long.
    fn odd_with(from: &[u8], to: &[u8]) -> (Option<Leaf>, Vec<&'static str>) {
        let mut der = data_encoding::BASE64.decode(ODD.as_bytes()).unwrap();
        let at = memchr::memmem::find(&der, from).unwrap();
        der.splice(at..at + from.len(), to.iter().copied());
        let mut anomalies = vec![];
        (Certificates::single(&der, &mut anomalies).leaf, anomalies.iter().map(|anomaly| anomaly.0).collect())
    }

    #[test]
    fn an_odd_element_costs_itself_and_nothing_else() {
        let whole = odd_with(b"NL", b"NL").0.unwrap();
        let named = |name: &str| Some(name.as_bytes().to_vec());
        let issuer = |name: &str| Leaf { issuer: named(name), ..whole.clone() };
        let country: &[u8] = b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02NL";
        for (from, to, expected, anomaly) in [
            // Months of a date, its type, and its zone.
            (
                &b"261124010827Z"[..],
                &b"261324010827Z"[..],
                Leaf { not_before: None, ..whole.clone() },
                "tls.certificate_invalid_date",
            ),
            (b"\x17\x0d261124010827Z", b"\x13\x0d261124010827Z", whole.clone(), "tls.certificate_invalid_date"),
            // Version, serial number, algorithm.
            (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", whole.clone(), ""),
            (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x05\x01\x02", whole.clone(), "tls.certificate_invalid_version"),
            (b"\x02\x02\x00\xe1\x30", b"\x04\x02\x00\xe1\x30", whole.clone(), "tls.certificate_invalid_serial"),
            (b"\x30\x0a\x06\x08\x2a", b"\x30\x0a\x0c\x08\x2a", whole.clone(), ""),
            // A part of a name without anything in it, one that is no attribute, and text that is none.
            (
                country,
                b"\x31\x00\x31\x09\x30\x07\x06\x03\x55\x04\x06\x13\x00",
                issuer("C=, O=Über GmbH, CN=b + OU=a, OID(2.3.4)=odd, Email=r@x"),
                "",
            ),
            (
                country,
                b"\x31\x0b\x30\x09\x0c\x03\x55\x04\x06\x13\x02NL",
                issuer("O=Über GmbH, CN=b + OU=a, OID(2.3.4)=odd, Email=r@x"),
                "",
            ),
            (
                country,
                b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x02\x02NL",
                issuer("C=4E4C, O=Über GmbH, CN=b + OU=a, OID(2.3.4)=odd, Email=r@x"),
                "",
            ),
            // The key, the extensions and the signature.
            (b"\x30\x59\x30\x13\x06", b"\x30\x59\x31\x13\x06", whole.clone(), "tls.certificate_invalid_der"),
            (
                b"\x30\x2e\x06\x03\x55\x1d\x11",
                b"\x30\x2e\x06\x03\x55\x1d\x12",
                Leaf { alternative_names: vec![], ..whole.clone() },
                "",
            ),
            (b"\x30\x1d\x06\x03\x55\x1d\x0e", b"\x30\x1d\x0c\x03\x55\x1d\x0e", whole.clone(), ""),
        ] {
            let (leaf, anomalies) = odd_with(from, to);
            assert_eq!(leaf.unwrap(), expected, "{to:x?}");
            assert_eq!(anomalies.join(" "), anomaly, "{to:x?}");
        }
    }

    #[test]
    fn what_is_no_certificate_still_has_a_fingerprint() {
        let mut anomalies = vec![];
        let list = [0, 0, 4, 0, 0, 1, b'a'];
        let certificates = Certificates::read(&list, false, &mut anomalies).unwrap();
        assert_eq!(certificates.fingerprint, "86:f7:e4:37:fa:a5:a7:fc:e1:5d:1d:dc:b9:ea:ea:ea:37:76:67:b8");
        assert_eq!((certificates.leaf, anomalies.len()), (None, 1));
    }

    #[test]
    fn a_length_past_the_end_is_an_anomaly() {
        let mut anomalies = vec![];
        assert_eq!(Certificates::read(&[0, 0, 9, 1], false, &mut anomalies), None);
        assert_eq!(anomalies, [Anomaly("tls.certificate_invalid_length")]);
    }
}
