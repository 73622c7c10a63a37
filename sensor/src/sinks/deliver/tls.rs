//! TLS towards receivers: their certificate is verified, against the system's authorities or a site's own; a certificate of the sensor's where they ask for one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::transport::Trouble;
use crate::sinks::plain::read_plain;

/// Bytes of the largest file of certificates.
const LIMIT: u64 = 4 << 20;

/// A certificate, with those between it and its authority.
type Chain = Vec<CertificateDer<'static>>;

/// What a sink says of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities that are believed, instead of the system's.
    pub authorities: Option<PathBuf>,
    /// The sensor's certificate, with those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// The key of that.
    pub key: Option<PathBuf>,
    /// The name that a receiver's certificate must have, instead of that in its address.
    pub name: Option<String>,
    /// Whatever certificate is shown is believed.
    pub unverified: bool,
}

impl Tls {
    /// Certificates of the authorities that are believed.
    pub(super) fn roots(&self) -> Result<Vec<CertificateDer<'static>>, Trouble> {
        match &self.authorities {
            Some(path) => certificates(path),
            None => Ok(rustls_native_certs::load_native_certs().certs),
        }
    }

    /// The sensor's certificates and their key.
    fn own(&self) -> Result<Option<(Chain, PrivateKeyDer<'static>)>, Trouble> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        let bytes = read(key)?;
        let parsed = PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|_| Trouble::away(format!("{} holds no key that can be used (PEM)", key.display())))?;
        Ok(Some((certificates(certificate)?, parsed)))
    }

    /// The same, the key as its file has it.
    pub(super) fn own_in_pem(&self) -> Result<Option<(Chain, Vec<u8>)>, Trouble> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        Ok(Some((certificates(certificate)?, read(key)?)))
    }

    /// What connections are made with. Files are read each time, so that new certificates count at once.
    pub fn client(&self) -> Result<Arc<ClientConfig>, Trouble> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(refused)?;
        let builder = if self.unverified {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(self.roots()?);
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(|error| Trouble::away(format!("no authority can be believed: {error}")))?;
            builder.with_webpki_verifier(verifier)
        };
        let config = match self.own()? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(refused)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

fn refused(error: rustls::Error) -> Trouble {
    Trouble::away(error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    read_plain(path, LIMIT).map_err(|error| Trouble::away(format!("{} cannot be read: {error}", path.display())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Trouble::away(format!("{} holds no certificates (PEM)", path.display()))),
    }
}

/// Believes any certificate; whoever shows it must still have its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
