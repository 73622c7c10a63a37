//! What a worker obeys.

use crate::capture::offload::Treatment;
use crate::decode::tunnels::Tunnels;
use crate::flow::exceptions::ExceptionPolicy;

/// How a worker treats streams and alerts.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What wrong checksums mean; each batch says it anew.
    pub checksums: Treatment,
    /// Bytes of a stream that are inspected at once, to server and to client.
    pub chunk_bytes: [usize; 2],
    /// Whether connections are not followed any more once one of their directions reached its depth.
    pub bypass_depth: bool,
    /// Bytes of packets of one direction after which a flow is not followed any more; 0 for any number.
    pub bypass_bytes: u64,
    /// Bytes of a stream that its alerts show; 0 where they show the bytes that their rule looked at.
    pub excerpt_bytes: usize,
    /// Alerts that one packet may raise.
    pub alert_limit: usize,
    /// Announced flows that are waited for.
    pub expected_flows: usize,
    /// Which tunnels are looked into.
    pub tunnels: Tunnels,
    /// What is done with flows whose parser gave up.
    pub error_policy: ExceptionPolicy,
}
