//! What is done with a flow that cannot be inspected as it should be.

/// What is done with a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExceptionPolicy {
    /// It is inspected as far as possible.
    #[default]
    Ignore,
    /// It is parsed and recorded, but no rule is asked.
    PassFlow,
    /// Nothing more is done with it.
    Bypass,
}

impl ExceptionPolicy {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            ExceptionPolicy::Ignore => "ignore",
            ExceptionPolicy::PassFlow => "pass_flow",
            ExceptionPolicy::Bypass => "bypass",
        }
    }
}

/// What is done in which case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceptionPolicies {
    /// `stream.midstream-policy`: the begin of a connection was not seen.
    pub midstream: ExceptionPolicy,
    /// `stream.reassembly.memcap-policy`: there is no memory for its bytes.
    pub reassembly: ExceptionPolicy,
    /// `app-layer.error-policy`: its parser gave up.
    pub application: ExceptionPolicy,
}
