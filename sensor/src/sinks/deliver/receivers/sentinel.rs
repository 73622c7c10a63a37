//! Microsoft Sentinel: the Logs Ingestion API of Azure Monitor, with its limits.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::bulk::with_time;
use super::post::list;
use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble};
use crate::sinks::deliver::web::{Client, Web};

/// Bytes of a call, before it is packed; 1 MB is the limit, and some of it is for what is between records.
const CALL_BYTES: usize = 1_000_000;
/// A token is good for a while less than it says.
const MARGIN: Duration = Duration::from_secs(120);

/// What a sink says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The endpoint of data collection.
    pub web: Web,
    /// Where tokens are given out; a path of the tenant's is behind it.
    pub authority: String,
    /// The tenant.
    pub tenant: String,
    /// Who the sensor is.
    pub client: String,
    /// Its secret.
    pub secret: Secret,
    /// What tokens are for.
    pub scope: String,
    /// The rule of data collection, by its immutable id.
    pub rule: String,
    /// The stream of that.
    pub stream: String,
}

/// Sends records.
pub struct Sentinel {
    settings: Settings,
    client: Client,
    tokens: Client,
    token: Option<(String, Instant)>,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

impl Sentinel {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        let tokens = Web { base: settings.authority.clone(), packing: Default::default(), ..settings.web.clone() };
        Self {
            client: Client::new(settings.web.clone()),
            tokens: Client::new(tokens),
            settings,
            token: None,
            body: Vec::new(),
        }
    }

    fn token(&mut self) -> Result<String, Trouble> {
        if let Some((token, until)) = &self.token
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let Settings { tenant, client, secret, scope, .. } = &self.settings;
        let (client, secret, scope) = (escaped(client), escaped(&secret.read()?), escaped(scope));
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}&scope={scope}");
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let reply = self.tokens.post(&format!("/{}/oauth2/v2.0/token", escaped(tenant)), &headers, form.as_bytes())?;
        if reply.status != 200 {
            return Err(Trouble::Away {
                words: format!("no token is given out: {}", reply.words()),
                after: reply.after,
            });
        }
        let token: Token = serde_json::from_slice(&reply.body).map_err(|_| Trouble::away("no token is given out"))?;
        let good_for = Duration::from_secs(token.expires_in.min(86_400)).saturating_sub(MARGIN);
        self.token = Some((token.access_token.clone(), Instant::now() + good_for));
        Ok(token.access_token)
    }

    fn call(&mut self, items: &[Item<'_>]) -> Result<(), Trouble> {
        self.body.clear();
        list(&mut self.body, items.iter(), |out, item| with_time(out, "TimeGenerated", item));
        let token = format!("Bearer {}", self.token()?);
        let Settings { rule, stream, .. } = &self.settings;
        let path = format!("/dataCollectionRules/{}/streams/{}?api-version=2023-01-01", escaped(rule), escaped(stream));
        let headers = [("authorization", &*token), ("content-type", "application/json")];
        let reply = self.client.post(&path, &headers, &self.body)?;
        if reply.status == 401 {
            // It was withdrawn: the next call asks for another one.
            self.token = None;
        }
        reply.judged()
    }
}

impl Transport for Sentinel {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let mut begin = 0;
        while begin < items.len() {
            let mut bytes = 0;
            let fits = |item: &&Item<'_>| {
                // A time stamp and a comma are put before each.
                bytes += item.body.len() + 64;
                bytes < CALL_BYTES
            };
            let count = items.get(begin..).unwrap_or_default().iter().take_while(fits).count().max(1);
            self.call(items.get(begin..begin + count).unwrap_or_default())?;
            let taken = answers.get_mut(begin..begin + count).unwrap_or_default();
            taken.iter_mut().for_each(|answer| *answer = Answer::Delivered);
            begin += count;
        }
        Ok(())
    }
}

/// A text in an address or a form.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
