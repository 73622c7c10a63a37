//! How many matches make an alert.

/// `threshold` or `detection_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threshold {
    /// How matches become alerts.
    pub kind: ThresholdKind,
    /// What is counted by.
    pub track: Track,
    /// Number of matches.
    pub count: u32,
    /// Window, in seconds.
    pub seconds: u32,
    /// Factor of `backoff`.
    pub multiplier: u32,
    /// Count different ports only, rather than matches (`detection_filter`'s `unique_on`).
    pub unique_on: Option<UniquePort>,
}

/// The port whose different values `detection_filter` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UniquePort {
    /// `src_port`
    Source,
    /// `dst_port`
    Destination,
}

/// How matches become alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdKind {
    /// The first `count` in each window.
    Limit,
    /// Every `count`th in the window.
    Threshold,
    /// Once in each window, at the `count`th.
    Both,
    /// Matches after the first `count` (`detection_filter`).
    Filter,
    /// At `count`, then at growing multiples of it (flow).
    Backoff,
}

/// What a threshold counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// Source address.
    Source,
    /// Destination address.
    Destination,
    /// Both addresses.
    Pair,
    /// The rule alone.
    Rule,
    /// The flow.
    Flow,
}
