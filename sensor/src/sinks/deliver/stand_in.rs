//! Receivers for tests: what they answer is said by the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::read::GzDecoder;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::connection::Address;
use super::web::{Packing, Web};

/// A request of HTTP.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    /// Its body, unpacked.
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

type Answers = Arc<Mutex<dyn FnMut(Request) -> (u16, String) + Send>>;

/// Answers requests of HTTP, any number of connections at once; what it is reached by.
pub(super) fn http(answer: impl FnMut(Request) -> (u16, String) + Send + 'static) -> Web {
    let answer: Answers = Arc::new(Mutex::new(answer));
    let address = listen(move |stream| {
        let answer = Arc::clone(&answer);
        std::thread::spawn(move || serve(stream, &answer));
    });
    web(&format!("http://{address}"))
}

/// The same with TLS.
pub(super) fn https(config: Arc<ServerConfig>, answer: impl FnMut(Request) -> (u16, String) + Send + 'static) -> Web {
    let answer: Answers = Arc::new(Mutex::new(answer));
    let address = listen(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        serve(StreamOwned::new(connection, stream), &answer);
    });
    web(&format!("https://localhost:{}", address.port))
}

pub(super) fn web(base: &str) -> Web {
    let timeout = Duration::from_secs(5);
    Web {
        base: base.to_owned(),
        tls: Default::default(),
        proxy: None,
        timeout,
        packing: Packing::Plain,
        headers: Vec::new(),
    }
}

/// Gives each connection to the test.
pub(super) fn listen(mut talk: impl FnMut(TcpStream) + Send + 'static) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            talk(stream.unwrap());
        }
    });
    Address { host: "127.0.0.1".into(), port }
}

fn serve(stream: impl Read + Write, answer: &Answers) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let (status, body) = answer.lock().unwrap_or_else(PoisonError::into_inner)(request);
        let text = format!(
            "HTTP/1.1 {status} x\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n{body}",
            if status == 204 { 0 } else { body.len() }
        );
        if stream.get_mut().write_all(text.as_bytes()).and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

/// Reads a request; nothing where there is none any more.
pub(super) fn read(stream: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())))
        .collect();
    let mut request = Request { method, path, headers, body: String::new() };
    let mut body = Vec::new();
    if request.header("transfer-encoding") == "chunked" {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let length = u64::from_str_radix(line.trim(), 16).ok()?;
            std::io::copy(&mut stream.take(length), &mut body).ok()?;
            stream.read_line(&mut line).ok()?;
            if length == 0 {
                break;
            }
        }
    } else {
        let length = request.header("content-length").parse().unwrap_or(0);
        std::io::copy(&mut stream.take(length), &mut body).ok()?;
    }
    request.body = match request.header("content-encoding") {
        "gzip" => {
            let mut text = String::new();
            GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            text
        }
        "zstd" => String::from_utf8(zstd::decode_all(&body[..]).unwrap()).unwrap(),
        _ => String::from_utf8_lossy(&body).into_owned(),
    };
    Some(request)
}

/// An authority, a server that it vouches for and a client.
pub(super) struct Trust {
    pub(super) folder: tempfile::TempDir,
    pub(super) server: Arc<ServerConfig>,
    /// The same, which lets only clients in that the authority vouches for.
    pub(super) strict: Arc<ServerConfig>,
}

/// Makes them: `ca.pem`, `client.pem`, `client.key` and `other.pem`, an authority that has nothing to do with them.
pub(super) fn trust() -> Trust {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let authority = || {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate, Issuer::new(params, key))
    };
    let (root, issuer) = authority();
    write("ca.pem", &root.pem());
    write("other.pem", &authority().0.pem());
    let leaf = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        (certificate, key)
    };
    let (client, client_key) = leaf("sensor");
    write("client.pem", &client.pem());
    write("client.key", &client_key.serialize_pem());
    let (server, key) = leaf("localhost");
    let config = |strict: bool| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.unwrap();
        let builder = if strict {
            let mut roots = RootCertStore::empty();
            roots.add(root.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Arc::new(builder.with_single_cert(vec![server.der().clone()], key).unwrap())
    };
    let (server, strict) = (config(false), config(true));
    Trust { folder, server, strict }
}
