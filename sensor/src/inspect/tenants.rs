//! Tenants: whose packet it is, and what there is for each of them beside the rules of the plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use tapwire_parsers::link::{Timestamp, Vlans};
use tapwire_signatures::language::threshold_file::{Entry, Rules};

use super::Engine;
use crate::capture::fanout::Epoch;
use crate::capture::origin::Origin;

/// What each tenant has.
#[derive(Debug, Default)]
pub struct Tenants {
    /// That of nobody: of all packets, where there are no tenants.
    pub nobody: Own,
    /// Those of tenants, by their number.
    pub others: Vec<Own>,
    /// How they are told apart.
    pub selector: Option<Selector>,
    /// Where that is done by VLANs: those of each.
    pub by_vlan: Option<ByVlan>,
}

/// What a tenant has.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The tenant, 0 for nobody.
    pub tenant: u32,
    /// What its threshold file says.
    pub thresholds: Arc<[(Rules, Entry)]>,
    /// How many rules it has.
    pub numbers: RuleNumbers,
}

/// How many rules there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleNumbers {
    /// Whose they are: the number of a tenant, 0 for nobody.
    pub tenant: u32,
    /// In use.
    pub loaded: usize,
    /// Refused.
    pub failed: usize,
    /// Left out, because the sensor lacks what they require.
    pub skipped: usize,
    /// When they were loaded, if others were in use before.
    pub last_reload: Option<Timestamp>,
}

/// How the tenant of a packet is found.
#[derive(Clone, Debug)]
pub enum Selector {
    /// By its outermost VLAN.
    Vlan(BTreeMap<u16, u32>),
    /// By the interface that it was captured on.
    Device(BTreeMap<String, u32>),
    /// All packets of captures are those of one tenant, if any: `pcap-file.tenant-id`.
    Direct(Option<u32>),
}

impl Tenants {
    /// What all of them have, nobody first, and how they are told apart.
    pub fn new(mut all: Vec<Own>, selector: Option<Selector>) -> Self {
        let others = all.split_off(all.len().min(1));
        let by_vlan = match &selector {
            Some(Selector::Vlan(vlans)) => Some(ByVlan(vlans.iter().map(|(vlan, tenant)| (*vlan, *tenant)).collect())),
            _ => None,
        };
        Self { nobody: all.pop().unwrap_or_default(), others, selector, by_vlan }
    }

    /// What a tenant has.
    pub fn of(&self, tenant: u32) -> &Own {
        let at = self.others.binary_search_by_key(&tenant, |own| own.tenant).ok();
        at.and_then(|at| self.others.get(at)).unwrap_or(&self.nobody)
    }

    /// How many rules each has, nobody first.
    pub fn numbers(&self) -> Vec<RuleNumbers> {
        std::iter::once(&self.nobody).chain(&self.others).map(|own| own.numbers).collect()
    }

    /// Notes when the rules took the place of others.
    pub fn note_reload(&mut self, time: Timestamp) {
        let all = std::iter::once(&mut self.nobody).chain(&mut self.others);
        all.for_each(|own| own.numbers.last_reload = Some(time));
    }
}

impl Engine {
    /// What the tenant has whose rule it is.
    pub fn own_of_rule(&self, rule: u32) -> &Own {
        if self.tenants.others.is_empty() { &self.tenants.nobody } else { self.tenants.of(self.plan.tenant(rule)) }
    }
}

impl Epoch for Arc<Engine> {
    fn tenant(&self, vlans: &Vlans) -> u32 {
        self.tenants.by_vlan.as_ref().map_or(0, |tenants| tenants.of(vlans))
    }
}

/// How a worker finds the tenant of a packet.
#[derive(Clone, Debug)]
pub enum Select {
    /// All packets of the run have the same.
    Same(u32),
    /// Each has the one of its outermost VLAN.
    ByVlan(ByVlan),
    /// Each has the one of its interface, by position.
    ByInterface(Arc<[u32]>),
}

/// The tenants of VLANs, sorted.
#[derive(Clone, Debug)]
pub struct ByVlan(Arc<[(u16, u32)]>);

impl Select {
    /// That of packets that come from somewhere, under the rules of the moment.
    pub fn of(engine: &Engine, origin: &Origin) -> Self {
        let Tenants { selector, by_vlan, .. } = &engine.tenants;
        if let Some(by_vlan) = by_vlan {
            return Self::ByVlan(by_vlan.clone());
        }
        match selector {
            Some(Selector::Device(devices)) => {
                let of = |name: &String| devices.get(name).copied().unwrap_or(0);
                match &origin.interfaces[..] {
                    [] => Self::Same(0),
                    [one] => Self::Same(of(one)),
                    several => Self::ByInterface(several.iter().map(of).collect()),
                }
            }
            // What is captured live was not handed over by a tenant.
            Some(Selector::Direct(tenant)) => Self::Same(tenant.filter(|_| origin.interfaces.is_empty()).unwrap_or(0)),
            Some(Selector::Vlan(_)) | None => Self::Same(0),
        }
    }
}

impl ByVlan {
    /// The tenant of a packet that was captured with these VLANs, 0 for nobody.
    pub fn of(&self, vlans: &Vlans) -> u32 {
        let outermost = vlans.as_slice().first();
        let at = outermost.and_then(|vlan| self.0.binary_search_by_key(vlan, |(vlan, _)| *vlan).ok());
        at.and_then(|at| self.0.get(at)).map_or(0, |(_, tenant)| *tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_vlan_tells_whose_packet_it_is() {
        let tenants = ByVlan([(10, 1), (20, 7)].into());
        for (vlans, tenant) in [(&[10][..], 1), (&[20, 10], 7), (&[30, 10], 0), (&[], 0)] {
            let mut tags = Vlans::default();
            vlans.iter().zip(&mut tags.ids).for_each(|(id, place)| *place = *id);
            tags.count = vlans.len().try_into().unwrap();
            assert_eq!(tenants.of(&tags), tenant, "{vlans:?}");
        }
    }

    #[test]
    fn each_tenant_has_its_own_and_strangers_what_nobody_has() {
        let own = |tenant| Own { tenant, ..Own::default() };
        let tenants = Tenants::new(vec![own(0), own(3), own(8)], None);
        assert_eq!([0, 3, 8, 5].map(|tenant| tenants.of(tenant).tenant), [0, 3, 8, 0]);
        assert_eq!(Tenants::new(Vec::new(), None).of(1).tenant, 0);
    }
}
