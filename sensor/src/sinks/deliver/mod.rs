//! Deliveries: each is a thread with a cursor into the log.
//!
//! The [`thread`] reads a batch, keeps what its [`filter`] lets pass, has it encoded and hands it to a [`transport`]; when the receiver
//! has all of it, the position behind it is stored, and only then. So the log is the only spool: nobody waits for a receiver, and what
//! was not acknowledged is sent again, after a crash as well. What a receiver refuses goes to the [`dead_letters`] with its words.

mod connection;
mod dead_letters;
mod delivery;
mod filter;
mod gap;
mod head;
mod outgoing;
mod pause;
mod rate;
pub mod receivers;
pub mod report;
mod secret;
mod sending;
mod settings;
mod template;
mod thread;
pub mod times;
mod tls;
mod transport;
mod web;
pub mod whole;

pub use connection::{Address, Place, Proxy, Route};
pub use filter::Filter;
pub use head::Head;
pub use secret::Secret;
pub use settings::{Settings, Way};
pub use template::Template;
pub use thread::Deliveries;
pub use tls::Tls;
pub use transport::{Answer, Item, Transport, Trouble};
pub use web::{Packing, Web};

#[cfg(test)]
mod flows;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;
