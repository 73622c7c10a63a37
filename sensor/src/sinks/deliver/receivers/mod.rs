//! Receivers: how each kind of them is spoken to, a file each.

mod amqp;
pub mod bulk;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod nats;
pub mod post;
pub mod redis;
mod relp;
pub mod s3;
pub mod sentinel;
mod socket;
pub mod splunk;
mod stream;
pub mod syslog;

pub use amqp::{Amqp, Settings as AmqpSettings};
pub use relp::Relp;
pub use socket::{Datagrams, Lines};
