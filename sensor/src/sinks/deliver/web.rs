//! Requests of HTTP: with TLS as a sink says, through its proxy, compressed; and what an answer means for what was sent.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, AsSendBody, RequestBuilder};

use super::connection::Proxy;
use super::secret::Secret;
use super::tls::Tls;
use super::transport::Trouble;

/// Bytes of an answer that are read.
const ANSWER_LIMIT: u64 = 16 << 20;
/// Of what a receiver says, so much is told.
const WORDS_LIMIT: usize = 300;
const ZSTD_LEVEL: i32 = 3;

/// How a body is made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    #[default]
    Plain,
    /// gzip
    Gzip,
    /// zstd
    Zstd,
}

/// How a receiver of HTTP is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Its address, without the path of a request.
    pub base: String,
    /// What is said of TLS.
    pub tls: Tls,
    /// Who is between.
    pub proxy: Option<Proxy>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How bodies are made smaller.
    pub packing: Packing,
    /// Headers that every request has.
    pub headers: Vec<(String, String)>,
}

/// Makes requests.
pub(super) struct Client {
    web: Web,
    agent: Option<Agent>,
    packed: Vec<u8>,
}

/// What a receiver answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub status: u16,
    /// When it wants to be asked again.
    pub after: Option<Duration>,
    /// What it says.
    pub body: Vec<u8>,
}

impl Client {
    /// One that has no connection yet.
    pub(super) fn new(web: Web) -> Self {
        Self { web, agent: None, packed: Vec::new() }
    }

    /// Sends a body; the path begins with a slash, headers are those of this request.
    pub(super) fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply, Trouble> {
        let mut packed_body = std::mem::take(&mut self.packed);
        let reply = packed(self.web.packing, body, &mut packed_body).and_then(|(body, encoding)| {
            let headers = headers.iter().copied().chain(encoding.map(|encoding| ("content-encoding", encoding)));
            self.send(path, headers, body, |agent, url| agent.post(url))
        });
        self.packed = packed_body;
        self.told(reply)
    }

    /// The same with PUT, and never packed: what is stored is what was signed.
    pub(super) fn put(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsSendBody,
    ) -> Result<Reply, Trouble> {
        let reply = self.send(path, headers.iter().copied(), body, |agent, url| agent.put(url));
        self.told(reply)
    }

    /// The next request makes a new connection, for certificates and addresses may be others by then.
    fn told(&mut self, reply: Result<Reply, Trouble>) -> Result<Reply, Trouble> {
        if reply.is_err() {
            self.agent = None;
        }
        reply
    }

    fn send<'h>(
        &mut self,
        path: &str,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: impl AsSendBody,
        request: impl Fn(&Agent, &str) -> RequestBuilder<ureq::typestate::WithBody>,
    ) -> Result<Reply, Trouble> {
        let agent = match &self.agent {
            Some(agent) => agent.clone(),
            None => self.agent.insert(agent(&self.web)?).clone(),
        };
        let mut request = request(&agent, &format!("{}{path}", self.web.base));
        for (name, value) in &self.web.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request.send(body).map_err(|error| trouble(error, &self.web))?;
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let limited = response.body_mut().with_config().limit(ANSWER_LIMIT);
        let body = limited.read_to_vec().map_err(|error| trouble(error, &self.web))?;
        Ok(Reply { status: response.status().as_u16(), after: after.map(Duration::from_secs), body })
    }
}

fn packed<'b>(
    packing: Packing,
    body: &'b [u8],
    into: &'b mut Vec<u8>,
) -> Result<(&'b [u8], Option<&'static str>), Trouble> {
    into.clear();
    match packing {
        Packing::Plain => Ok((body, None)),
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(&mut *into, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()?;
            Ok((into, Some("gzip")))
        }
        Packing::Zstd => {
            *into = zstd::bulk::compress(body, ZSTD_LEVEL)?;
            Ok((into, Some("zstd")))
        }
    }
}

fn agent(web: &Web) -> Result<Agent, Trouble> {
    let mut tls = TlsConfig::builder().disable_verification(web.tls.unverified);
    if web.base.starts_with("https:") && !web.tls.unverified {
        let roots: Vec<_> = web.tls.roots()?.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        tls = tls.root_certs(RootCerts::new_with_certs(&roots));
    }
    if let Some((chain, key)) = web.tls.own_in_pem()? {
        let key = PrivateKey::from_pem(&key).map_err(|_| Trouble::away("the key is none that can be used (PEM)"))?;
        let chain: Vec<_> = chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    let proxy = web.proxy.as_ref().map(proxy).transpose()?;
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .timeout_global(Some(web.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("tapwire/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.new_agent())
}

fn proxy(proxy: &Proxy) -> Result<ureq::Proxy, Trouble> {
    let mut builder =
        ureq::Proxy::builder(ureq::ProxyProtocol::Http).host(&proxy.address.host).port(proxy.address.port);
    if let Some(user) = &proxy.user {
        let password = proxy.password.as_ref().map(Secret::read).transpose()?.unwrap_or_default();
        builder = builder.username(user).password(&password);
    }
    builder.build().map_err(|_| Trouble::away(format!("{} cannot be a proxy", proxy.address)))
}

fn trouble(error: ureq::Error, web: &Web) -> Trouble {
    match error {
        ureq::Error::Io(error) => Trouble::from(error),
        ureq::Error::Timeout(what) => Trouble::away(format!("{} does not answer in time ({what})", web.base)),
        // Other errors may show the address of a request, which no secret is in.
        error => Trouble::away(error.to_string()),
    }
}

impl Reply {
    /// What is said, in a line of bounded length.
    pub(super) fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut words = format!("{} {}", self.status, text.split_whitespace().collect::<Vec<_>>().join(" "));
        let end = words.char_indices().nth(WORDS_LIMIT).map(|(end, _)| end);
        if let Some(end) = end {
            words.truncate(end);
        }
        words.trim_end().to_owned()
    }

    /// Whether it went well; what a receiver means that answers with an error.
    ///
    /// What was sent is at fault where its size (413) or its content (400, 422) is; of everything else the records know nothing, and wait.
    pub(super) fn judged(&self) -> Result<(), Trouble> {
        match self.status {
            200..=299 => Ok(()),
            400 | 413 | 422 => Err(Trouble::Refused(self.words())),
            _ => Err(self.away()),
        }
    }

    /// The receiver wants nothing at the moment.
    pub(super) fn away(&self) -> Trouble {
        Trouble::Away { words: self.words(), after: self.after }
    }
}
