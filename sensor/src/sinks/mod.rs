//! Ways out: where records, files and certificates go.
//!
//! A record goes into the [`piece`] of its [`output`], which hands that to its thread through a bounded [`backlog`]; the thread
//! writes it to its [`medium`]: one file, the [`target`], or the segments of the [`log`].

pub mod backlog;
pub mod certificates;
pub mod deliver;
pub mod encode;
pub mod file_store;
pub mod latency;
pub mod lock;
pub mod log;
pub mod medium;
pub mod mend;
pub mod open;
pub mod output;
pub mod packet;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod piece;
pub mod plain;
pub mod rotation;
pub mod sets;
pub mod stamp;
pub mod stream_data;
pub mod target;
pub mod zstd;
