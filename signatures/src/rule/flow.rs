//! What a rule asks of a flow.

use tapwire_parsers::protocol::Direction;

/// What `flow:` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCondition {
    /// `to_server`/`from_client` or `to_client`/`from_server`.
    pub direction: Option<Direction>,
    /// `established` (true) or `not_established` (false).
    pub established: Option<bool>,
    /// `stateless` was given.
    pub stateless: bool,
    /// `only_stream`.
    pub only_stream: bool,
    /// `no_stream`.
    pub no_stream: bool,
    /// `only_frag` (true) or `no_frag` (false).
    pub fragments: Option<bool>,
    /// The keyword was present at all.
    pub present: bool,
}

/// The application protocol condition of `app-layer-protocol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProtocolTest {
    /// Canonical names, `failed` or `unknown`: any of them will do.
    pub names: Vec<String>,
    /// `!`
    pub negated: bool,
    /// Which protocol of a flow is meant.
    pub side: ProtocolSide,
}

/// Which protocol of a flow `app-layer-protocol` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolSide {
    /// That of the packet's direction.
    Own,
    /// That of a direction.
    Of(Direction),
    /// That of one of the directions.
    Either,
    /// That of the flow now.
    Final,
    /// That of the flow before it changed.
    Original,
}
