//! Where the packets of a run come from.

/// Where packets come from, as records name it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The capture file.
    pub capture: Option<String>,
    /// The interface.
    pub interface: Option<String>,
}
