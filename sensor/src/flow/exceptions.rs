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
    const ALL: [Self; 3] = [Self::Ignore, Self::PassFlow, Self::Bypass];

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

/// What keeps a flow from being inspected as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// The begin of its connection was not seen.
    Midstream,
    /// There was no memory for its bytes.
    Starved,
    /// Its parser gave up.
    GivenUp,
}

/// The policies that are followed for a flow, each for an exception: a bit for each of both, as every packet asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed(u16);

impl Followed {
    const EXCEPTIONS: u32 = 3;
    const ALL: u16 = (1 << Self::EXCEPTIONS) - 1;

    fn bit(exception: Exception, policy: ExceptionPolicy) -> u16 {
        1 << (policy as u32 * Self::EXCEPTIONS + exception as u32)
    }

    /// Follows a policy from now on.
    pub fn follow(&mut self, exception: Exception, policy: ExceptionPolicy) {
        let others = ExceptionPolicy::ALL.iter().fold(0, |bits, policy| bits | Self::bit(exception, *policy));
        self.0 = self.0 & !others | Self::bit(exception, policy);
    }

    /// The policy that is followed for an exception.
    pub fn of(self, exception: Exception) -> Option<ExceptionPolicy> {
        ExceptionPolicy::ALL.into_iter().find(|policy| self.0 & Self::bit(exception, *policy) != 0)
    }

    /// Whether one is followed for any exception.
    #[inline]
    pub fn has(self, policy: ExceptionPolicy) -> bool {
        self.0 & Self::ALL << (policy as u32 * Self::EXCEPTIONS) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exception_has_the_policy_that_was_followed_last() {
        let mut followed = Followed::default();
        assert_eq!(followed.of(Exception::Starved), None);
        followed.follow(Exception::Midstream, ExceptionPolicy::Ignore);
        followed.follow(Exception::Starved, ExceptionPolicy::Bypass);
        assert!(followed.has(ExceptionPolicy::Bypass) && !followed.has(ExceptionPolicy::PassFlow));
        followed.follow(Exception::Starved, ExceptionPolicy::PassFlow);
        let now =
            [Exception::Midstream, Exception::Starved, Exception::GivenUp].map(|exception| followed.of(exception));
        assert_eq!(now, [Some(ExceptionPolicy::Ignore), Some(ExceptionPolicy::PassFlow), None]);
        assert!(!followed.has(ExceptionPolicy::Bypass) && followed.has(ExceptionPolicy::PassFlow));
    }
}
