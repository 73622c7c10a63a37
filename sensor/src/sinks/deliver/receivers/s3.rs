//! Stores that speak S3: each batch is an object of lines, or objects are files. What is sent again is the same object.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use ureq::AsSendBody;

use crate::capture::clock;
use crate::sinks::deliver::head::Head;
use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble, all_delivered};
use crate::sinks::deliver::web::{Client, Packing, Web};

const ZSTD_LEVEL: i32 = 3;

/// What a sink says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached. How its bodies are made smaller is how objects are.
    pub web: Web,
    /// The host as requests name it.
    pub host: String,
    /// The bucket.
    pub bucket: String,
    /// What names of objects begin with.
    pub prefix: Template,
    /// The region.
    pub region: String,
    /// The name of the key.
    pub key: String,
    /// The key.
    pub secret: Secret,
}

/// Puts objects.
pub struct S3 {
    settings: Settings,
    client: Client,
    text: Vec<u8>,
}

impl S3 {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { client: Client::new(settings.web.clone()), settings, text: Vec::new() }
    }
}

impl Transport for S3 {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let Some(first) = items.first() else { return Ok(()) };
        self.text.clear();
        // The name follows from what is stored: what is sent may say when.
        let mut digest = Sha256::new();
        for item in items {
            digest.update(item.line);
            self.text.extend_from_slice(item.body);
            self.text.push(b'\n');
        }
        let digest = HEXLOWER.encode(&digest.finalize());
        let (body, end) = match self.settings.web.packing {
            Packing::Plain => (std::mem::take(&mut self.text), ""),
            Packing::Zstd => (zstd::bulk::compress(&self.text, ZSTD_LEVEL)?, ".zst"),
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                io::Write::write_all(&mut encoder, &self.text)?;
                (encoder.finish()?, ".gz")
            }
        };
        let prefix = self.settings.prefix.of(&first.head);
        let time = first.head.timestamp.get(..19).unwrap_or("0000-00-00T00:00:00");
        let time: String = time.chars().filter(|c| !"-:".contains(*c)).collect();
        let name = format!("{prefix}{time}-{}.json{end}", digest.get(..16).unwrap_or_default());
        self.put(&name, &Sha256::digest(&body), &*body)?;
        all_delivered(answers);
        Ok(())
    }
}

impl S3 {
    /// Puts a file; what had its name is replaced.
    pub(in crate::sinks::deliver) fn put_file(&mut self, name: &str, file: &mut File) -> Result<(), Trouble> {
        let (mut digest, mut reader) = (Sha256::new(), BufReader::with_capacity(64 << 10, &*file));
        while let part @ [_, ..] = reader.fill_buf()? {
            digest.update(part);
            let read = part.len();
            reader.consume(read);
        }
        file.rewind()?;
        self.put(name, &digest.finalize(), &*file)
    }

    /// What names begin with, for records like one.
    pub(in crate::sinks::deliver) fn prefix(&self, head: &Head<'_>) -> String {
        self.settings.prefix.of(head)
    }

    fn put(&mut self, name: &str, digest: &[u8], body: impl AsSendBody) -> Result<(), Trouble> {
        let path =
            format!("/{}/{}", self.settings.bucket, name).split('/').map(super::sentinel::escaped).collect::<Vec<_>>();
        let path = path.join("/");
        let stamp = jiff::Timestamp::from_microsecond(i64::try_from(clock::now().0).unwrap_or(0)).unwrap_or_default();
        let stamp = stamp.strftime("%Y%m%dT%H%M%SZ").to_string();
        let hash = HEXLOWER.encode(digest);
        let secret = self.settings.secret.read()?;
        let signed = signed(&self.settings, &secret, &path, &stamp, &hash)?;
        let headers = [("authorization", &*signed), ("x-amz-date", &stamp), ("x-amz-content-sha256", &hash)];
        match self.client.put(&path, &headers, body)? {
            reply if (200..300).contains(&reply.status) => Ok(()),
            // What it says of names, sizes and signatures is about the sink and never about a record.
            reply => Err(reply.away()),
        }
    }
}

/// The header that signs a request (AWS Signature Version 4).
fn signed(settings: &Settings, secret: &str, path: &str, stamp: &str, hash: &str) -> Result<String, Trouble> {
    const NAMES: &str = "host;x-amz-content-sha256;x-amz-date";
    let Settings { host, region, key, .. } = settings;
    let day = stamp.get(..8).unwrap_or_default();
    let request =
        format!("PUT\n{path}\n\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{stamp}\n\n{NAMES}\n{hash}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let digest = HEXLOWER.encode(&Sha256::digest(request.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}");
    let mut step = format!("AWS4{secret}").into_bytes();
    for part in [day, region, "s3", "aws4_request", &text] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&step).map_err(|error| Trouble::away(error.to_string()))?;
        mac.update(part.as_bytes());
        step = mac.finalize().into_bytes().to_vec();
    }
    let signature = HEXLOWER.encode(&step);
    Ok(format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={NAMES}, Signature={signature}"))
}
