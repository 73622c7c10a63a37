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

/// The policies that are followed for a flow, two bits for each exception, as every packet asks: 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed(u8);

impl Followed {
    /// The lower bit of each exception.
    const LOW: u8 = 0b01_01_01;

    /// Follows a policy from now on.
    pub fn follow(&mut self, exception: Exception, policy: ExceptionPolicy) {
        let place = exception as u8 * 2;
        self.0 = self.0 & !(0b11 << place) | (policy as u8 + 1) << place;
    }

    /// The policy that is followed for an exception.
    pub fn of(self, exception: Exception) -> Option<ExceptionPolicy> {
        let bits = self.0 >> (exception as u8 * 2) & 0b11;
        ExceptionPolicy::ALL.into_iter().find(|policy| *policy as u8 + 1 == bits)
    }

    /// Whether one is followed for any exception.
    #[inline]
    pub fn has(self, policy: ExceptionPolicy) -> bool {
        // Nearly all follow none.
        if self.0 == 0 {
            return false;
        }
        let differing = self.0 ^ ((policy as u8 + 1) * Self::LOW);
        // Where neither bit differs, it is that one.
        !(differing | differing >> 1) & Self::LOW != 0
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
