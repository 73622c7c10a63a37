//! The hello messages (RFC 8446, section 4.1; RFC 5246, section 7.4.1).
//!
//! What cannot be read is left out and noted as an anomaly; everything before it is kept, so that a hello with a broken
//! extension still has its version, ciphers and the extensions before it.

use super::tables::{extension, is_grease};
use crate::protocol::{Anomaly, held};

/// Most protocol names of an ALPN extension that are kept.
const ALPN_LIMIT: usize = 64;

/// Reads numbers and length-prefixed vectors from the front of a slice.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&first, tail) = self.0.split_first()?;
        self.0 = tail;
        Some(first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(u16::from_be_bytes(*head))
    }

    pub(super) fn u24(&mut self) -> Option<usize> {
        let (&[a, b, c], tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    /// A vector with a length of one octet.
    pub(super) fn vector8(&mut self) -> Option<Reader<'a>> {
        let length = self.u8()?;
        self.take(length.into()).map(Reader)
    }

    /// A vector with a length of two octets.
    pub(super) fn vector16(&mut self) -> Option<Reader<'a>> {
        let length = self.u16()?;
        self.take(length.into()).map(Reader)
    }

    fn numbers(mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.u16()).collect()
    }
}

/// What is kept of a client or server hello.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hello {
    /// The version field of the hello.
    pub(super) legacy_version: u16,
    /// Versions of the supported-versions extension: those offered, or the one chosen.
    pub(super) versions: Vec<u16>,
    /// 32 octets.
    pub(super) random: Vec<u8>,
    pub(super) session_id: Vec<u8>,
    /// Those offered, or the one chosen.
    pub(super) ciphers: Vec<u16>,
    /// Types of the extensions in the order in which they came.
    pub(super) extensions: Vec<u16>,
    pub(super) sni: Option<Vec<u8>>,
    /// A server name extension came.
    pub(super) named: bool,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) groups: Vec<u16>,
    pub(super) point_formats: Vec<u8>,
    pub(super) signature_algorithms: Vec<u16>,
}

impl Hello {
    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let numbers = [&self.versions, &self.ciphers, &self.extensions, &self.groups, &self.signature_algorithms];
        let bytes = [&self.random, &self.session_id, &self.point_formats];
        let numbers: usize = numbers.into_iter().map(held::list).sum();
        let bytes: usize = bytes.into_iter().map(held::list).sum();
        numbers + bytes + self.sni.as_ref().map_or(0, held::list) + held::lists(&self.alpn)
    }

    /// Reads the body of a client hello.
    pub(super) fn client(body: &[u8], anomalies: &mut Vec<Anomaly>) -> Option<Hello> {
        let (mut hello, mut reader) = Self::start(body)?;
        hello.session_id = reader.vector8()?.0.to_vec();
        hello.ciphers = reader.vector16()?.numbers();
        reader.vector8()?;
        hello.read_extensions(reader, true, anomalies);
        Some(hello)
    }

    /// Reads the body of a server hello.
    pub(super) fn server(body: &[u8], anomalies: &mut Vec<Anomaly>) -> Option<Hello> {
        let (mut hello, mut reader) = Self::start(body)?;
        // Drafts of 1.3 before the twenty-second had neither session nor compression here; the first ones had the session.
        let drafted = hello.legacy_version >> 8 == 0x7f;
        if !drafted || !ends_with_extensions(reader.0.get(2..).unwrap_or_default()) {
            hello.session_id = reader.vector8()?.0.to_vec();
        }
        hello.ciphers = vec![reader.u16()?];
        if !drafted {
            reader.u8()?;
        }
        hello.read_extensions(reader, false, anomalies);
        Some(hello)
    }

    /// The version that was offered as the highest, or the one chosen: that of the extension where there is one.
    pub(super) fn version(&self) -> u16 {
        self.versions.iter().copied().filter(|&v| !is_grease(v)).max().unwrap_or(self.legacy_version)
    }

    fn start(body: &[u8]) -> Option<(Hello, Reader<'_>)> {
        let mut reader = Reader(body);
        let legacy_version = reader.u16()?;
        let random = reader.take(32)?.to_vec();
        Some((Hello { legacy_version, random, ..Hello::default() }, reader))
    }

    fn read_extensions(&mut self, mut reader: Reader<'_>, from_client: bool, anomalies: &mut Vec<Anomaly>) {
        if reader.0.is_empty() {
            return;
        }
        let Some(length) = reader.u16().map(usize::from) else {
            anomalies.push(Anomaly("tls.handshake_invalid_length"));
            return;
        };
        if length > reader.0.len() {
            anomalies.push(Anomaly("tls.handshake_invalid_length"));
        }
        let mut reader = Reader(reader.0.get(..length).unwrap_or(reader.0));
        while !reader.0.is_empty() {
            let (Some(kind), Some(body)) = (reader.u16(), reader.vector16()) else {
                anomalies.push(Anomaly("tls.handshake_invalid_length"));
                return;
            };
            self.extensions.push(kind);
            if self.read_extension(kind, body, from_client, anomalies).is_none() {
                anomalies.push(Anomaly(match kind {
                    extension::SERVER_NAME => "tls.invalid_sni_length",
                    _ => "tls.handshake_invalid_length",
                }));
            }
        }
    }

    fn read_extension(
        &mut self,
        kind: u16,
        mut body: Reader<'_>,
        from_client: bool,
        anomalies: &mut Vec<Anomaly>,
    ) -> Option<()> {
        match kind {
            extension::SERVER_NAME if from_client => self.read_server_name(body, anomalies)?,
            extension::SUPPORTED_GROUPS if !body.0.is_empty() => self.groups = body.vector16()?.numbers(),
            extension::POINT_FORMATS if !body.0.is_empty() => self.point_formats = body.vector8()?.0.to_vec(),
            extension::SIGNATURE_ALGORITHMS => self.signature_algorithms = body.vector16()?.numbers(),
            extension::ALPN => {
                let mut names = body.vector16()?;
                while !names.0.is_empty() {
                    let name = names.vector8()?.0;
                    if self.alpn.len() == ALPN_LIMIT {
                        anomalies.push(Anomaly("tls.handshake_cut"));
                        break;
                    }
                    if !name.is_empty() {
                        self.alpn.push(name.to_vec());
                    }
                }
            }
            extension::SUPPORTED_VERSIONS if from_client => self.versions = body.vector8()?.numbers(),
            extension::SUPPORTED_VERSIONS => self.versions = vec![body.u16()?],
            _ => {}
        }
        Some(())
    }

    fn read_server_name(&mut self, mut body: Reader<'_>, anomalies: &mut Vec<Anomaly>) -> Option<()> {
        if std::mem::replace(&mut self.named, true) {
            anomalies.push(Anomaly("tls.multiple_sni_extensions"));
            return Some(());
        }
        if body.0.is_empty() {
            return Some(());
        }
        let mut names = body.vector16()?;
        if names.u8()? != 0 {
            anomalies.push(Anomaly("tls.invalid_sni_type"));
            return Some(());
        }
        let name = names.vector16()?.0;
        // 255 octets are the most that a host name can have (RFC 1035).
        if name.is_empty() || name.len() > 255 {
            return None;
        }
        self.sni = Some(name.to_vec());
        Some(())
    }
}

/// Whether octets are nothing, or extensions whose stated length is that of all that follows.
fn ends_with_extensions(octets: &[u8]) -> bool {
    let mut reader = Reader(octets);
    octets.is_empty() || reader.u16().is_some_and(|length| usize::from(length) == reader.0.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(extensions: &[u8]) -> (Hello, Vec<Anomaly>) {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        let mut anomalies = vec![];
        (Hello::client(&body, &mut anomalies).unwrap(), anomalies)
    }

    #[test]
    fn a_server_name_is_kept_once() {
        let name = [0, 0, 0, 6, 0, 4, 0, 0, 1, b'a'];
        assert_eq!(hello(&name).0.sni.as_deref(), Some(&b"a"[..]));
        assert_eq!(hello(&[name, name].concat()).1, [Anomaly("tls.multiple_sni_extensions")]);
    }

    #[test]
    fn broken_server_names_are_anomalies() {
        for (extension, anomaly) in [
            (&[0, 0, 0, 6, 0, 4, 1, 0, 1, b'a'][..], "tls.invalid_sni_type"),
            (&[0, 0, 0, 6, 0, 4, 0, 0, 2, b'a'], "tls.invalid_sni_length"),
            (&[0, 0, 0, 1, 9], "tls.invalid_sni_length"),
            (&[0, 10, 0, 9, 0], "tls.handshake_invalid_length"),
        ] {
            assert_eq!(hello(extension).1, [Anomaly(anomaly)]);
        }
    }

    #[test]
    fn hellos_of_drafts_are_read_as_they_were_written() {
        let client = [&[0x7f, 14][..], &[7; 32], &[1, 9, 0, 2, 0x13, 1, 1, 0]].concat();
        let client = Hello::client(&client, &mut vec![]).unwrap();
        assert_eq!((client.version(), &client.session_id[..], &client.ciphers[..]), (0x7f0e, &[9][..], &[0x1301][..]));
        // With extensions, with nothing behind the cipher, and with a session before it.
        for (rest, session, extensions) in [
            (&[0x13, 1, 0, 4, 0, 40, 0, 0][..], &[][..], &[40][..]),
            (&[0x13, 1], &[], &[]),
            (&[1, 9, 0x13, 1, 0, 4, 0, 40, 0, 0], &[9], &[40]),
            (&[0, 0x13, 1, 0, 0], &[], &[]),
        ] {
            let mut anomalies = vec![];
            let server = Hello::server(&[&[0x7f, 14][..], &[7; 32], rest].concat(), &mut anomalies).unwrap();
            assert_eq!((&server.session_id[..], &server.ciphers[..]), (session, &[0x1301][..]), "{rest:?}");
            assert_eq!((&server.extensions[..], anomalies), (extensions, vec![]), "{rest:?}");
        }
    }
}
