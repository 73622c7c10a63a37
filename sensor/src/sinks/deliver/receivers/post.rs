//! Any receiver of HTTP: lines of JSON, or a list.

use data_encoding::BASE64;

use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble, all_delivered};
use crate::sinks::deliver::web::{Client, Web};

/// Who the sensor is for a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// A name and a password (`Basic`).
    User(String, Secret),
    /// A token behind a word, such as `Bearer` or `ApiKey`.
    Token(String, Secret),
}

impl Account {
    /// What nobody else knows.
    pub(in crate::sinks::deliver) fn secret(&self) -> &Secret {
        let (Self::User(_, secret) | Self::Token(_, secret)) = self;
        secret
    }

    /// The value of the header `Authorization`.
    pub(super) fn header(&self) -> Result<String, Trouble> {
        Ok(match self {
            Self::User(user, password) => {
                format!("Basic {}", BASE64.encode(format!("{user}:{}", password.read()?).as_bytes()))
            }
            Self::Token(word, token) => format!("{word} {}", token.read()?),
        })
    }
}

/// What a sink says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached.
    pub web: Web,
    /// Who the sensor is.
    pub account: Option<Account>,
    /// The path, with what stands behind a question mark.
    pub path: Template,
    /// A list, instead of lines.
    pub list: bool,
    /// What the records are, as HTTP says it.
    pub media_type: &'static str,
}

/// Sends requests.
pub struct Post {
    settings: Settings,
    client: Client,
    body: Vec<u8>,
}

impl Post {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { client: Client::new(settings.web.clone()), settings, body: Vec::new() }
    }
}

/// Writes a list.
pub(super) fn list<'i, 'r: 'i>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = &'i Item<'r>>,
    write: impl Fn(&mut Vec<u8>, &Item<'_>),
) {
    out.push(b'[');
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

impl Transport for Post {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let Some(first) = items.first() else { return Ok(()) };
        self.body.clear();
        let media_type = if self.settings.list {
            list(&mut self.body, items.iter(), |out, item| out.extend_from_slice(item.body));
            "application/json"
        } else {
            for item in items {
                self.body.extend_from_slice(item.body);
                self.body.push(b'\n');
            }
            self.settings.media_type
        };
        let account = self.settings.account.as_ref().map(Account::header).transpose()?;
        // Whoever knows such a key takes a request that comes twice once.
        let mut headers = vec![("content-type", media_type), ("idempotency-key", &*first.id)];
        headers.extend(account.as_deref().map(|value| ("authorization", value)));
        let reply = self.client.post(&self.settings.path.of(&first.head), &headers, &self.body)?;
        reply.judged()?;
        all_delivered(answers);
        Ok(())
    }
}
