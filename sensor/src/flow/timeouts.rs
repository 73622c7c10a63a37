//! How long a flow is kept after its last packet.

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
            Class::TcpEstablished => self.tcp_established_s,
            Class::TcpClosed => self.tcp_closed_s,
            Class::UdpEstablished => self.udp_established_s,
            Class::IcmpEstablished => self.icmp_established_s,
            Class::OtherEstablished => self.other_established_s,
            Class::Bypassed => self.bypassed_s,
        };
        u64::from(seconds) * 1_000_000
    }
}

/// Flows that share a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    TcpNew,
    UdpNew,
    IcmpNew,
    OtherNew,
    TcpClosed,
    Bypassed,
    TcpEstablished,
    UdpEstablished,
    IcmpEstablished,
    OtherEstablished,
}

impl Class {
    /// All classes; those that were never established come first, which is the order of eviction.
    pub(super) const ALL: [Class; 10] = [
        Class::TcpNew,
        Class::UdpNew,
        Class::IcmpNew,
        Class::OtherNew,
        Class::TcpClosed,
        Class::Bypassed,
        Class::TcpEstablished,
        Class::UdpEstablished,
        Class::IcmpEstablished,
        Class::OtherEstablished,
    ];

    /// How many of [`Class::ALL`], from its start, hold flows that are evicted before others: never established, closed, or passed over.
    pub(super) const CHEAP: usize = 6;
}
