//! How long a flow is kept after its last packet.

use super::worth::Worth;

/// Seconds without a packet after which a flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before the handshake is complete.
    pub tcp_new_s: u32,
    /// TCP after it.
    pub tcp_established_s: u32,
    /// TCP that was closed or reset.
    pub tcp_closed_s: u32,
    /// UDP seen in one direction only.
    pub udp_new_s: u32,
    /// UDP seen in both.
    pub udp_established_s: u32,
    /// ICMP seen in one direction only.
    pub icmp_new_s: u32,
    /// ICMP seen in both.
    pub icmp_established_s: u32,
    /// Other protocols seen in one direction only.
    pub other_new_s: u32,
    /// Other protocols seen in both.
    pub other_established_s: u32,
    /// Those that an exception policy passes over.
    pub bypassed_s: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_new_s: 60,
            tcp_established_s: 600,
            tcp_closed_s: 60,
            udp_new_s: 30,
            udp_established_s: 300,
            icmp_new_s: 30,
            icmp_established_s: 300,
            other_new_s: 30,
            other_established_s: 300,
            bypassed_s: 100,
        }
    }
}

impl Timeouts {
    /// Those that hold while memory is short.
    pub fn emergency() -> Self {
        Self {
            tcp_new_s: 10,
            tcp_established_s: 100,
            tcp_closed_s: 10,
            udp_new_s: 10,
            udp_established_s: 100,
            icmp_new_s: 10,
            icmp_established_s: 100,
            other_new_s: 10,
            other_established_s: 100,
            bypassed_s: 50,
        }
    }

    /// The timeout of a class, in microseconds.
    pub(super) fn of(&self, class: Class) -> u64 {
        let seconds = match class {
            Class::TcpNew => self.tcp_new_s,
            Class::UdpNew => self.udp_new_s,
            Class::IcmpNew => self.icmp_new_s,
            Class::OtherNew => self.other_new_s,
            Class::TcpOneSide | Class::TcpSilent | Class::TcpEstablished | Class::TcpKnown => self.tcp_established_s,
            Class::TcpClosed => self.tcp_closed_s,
            Class::UdpEstablished | Class::UdpKnown => self.udp_established_s,
            Class::IcmpEstablished => self.icmp_established_s,
            Class::OtherEstablished => self.other_established_s,
            Class::Bypassed => self.bypassed_s,
        };
        u64::from(seconds) * 1_000_000
    }
}

/// Flows that share a timeout and are worth the same, those of one worth side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    TcpClosed,
    Bypassed,
    TcpNew,
    /// Begun in the middle, and so far nobody answers.
    TcpOneSide,
    UdpNew,
    IcmpNew,
    OtherNew,
    TcpSilent,
    TcpEstablished,
    UdpEstablished,
    IcmpEstablished,
    OtherEstablished,
    TcpKnown,
    UdpKnown,
}

impl Class {
    /// All classes.
    pub(super) const ALL: [Class; 14] = [
        Class::TcpClosed,
        Class::Bypassed,
        Class::TcpNew,
        Class::TcpOneSide,
        Class::UdpNew,
        Class::IcmpNew,
        Class::OtherNew,
        Class::TcpSilent,
        Class::TcpEstablished,
        Class::UdpEstablished,
        Class::IcmpEstablished,
        Class::OtherEstablished,
        Class::TcpKnown,
        Class::UdpKnown,
    ];

    /// How much its flows are missed.
    pub(super) fn worth(self) -> Worth {
        match self {
            Class::TcpClosed | Class::Bypassed => Worth::Over,
            Class::TcpNew | Class::TcpOneSide | Class::UdpNew | Class::IcmpNew | Class::OtherNew => Worth::New,
            Class::TcpSilent => Worth::Silent,
            Class::TcpEstablished | Class::UdpEstablished | Class::IcmpEstablished | Class::OtherEstablished => {
                Worth::Spoken
            }
            Class::TcpKnown | Class::UdpKnown => Worth::Known,
        }
    }

    /// The classes of a worth.
    pub(super) fn of_worth(worth: Worth) -> &'static [Class] {
        let range = match worth {
            Worth::Over => 0..2,
            Worth::New => 2..7,
            Worth::Silent => 7..8,
            Worth::Spoken => 8..12,
            Worth::Known => 12..14,
        };
        Self::ALL.get(range).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_a_worth_are_side_by_side() {
        let listed: Vec<Class> = Worth::ALL.into_iter().flat_map(Class::of_worth).copied().collect();
        assert_eq!(listed, Class::ALL);
        assert!(Worth::ALL.into_iter().all(|worth| Class::of_worth(worth).iter().all(|class| class.worth() == worth)));
        assert!(Class::ALL.iter().enumerate().all(|(at, class)| *class as usize == at));
    }
}
