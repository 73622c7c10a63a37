//! Where the packets of a run come from.

use std::sync::Arc;

/// Where packets come from, as records name it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The capture file.
    pub capture: Option<Arc<str>>,
    /// It is one of several.
    pub several: bool,
    /// The interfaces, by their positions.
    pub interfaces: Vec<String>,
}
