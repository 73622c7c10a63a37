//! What was counted of inspection, by the names that `stats` records have.

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::Carrier;

use super::{Application, Inspector};

impl Inspector {
    /// What an inspector counted beside the books of protocols, by name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let (matcher, losses) = (&self.matcher, &self.file_losses);
        let own = [
            ("tapwire.rules.candidates", matcher.decided),
            ("tapwire.rules.odd_buffers", matcher.odd_buffers()),
            ("tapwire.rules.out_of_fuel", matcher.dry()),
            ("tapwire.rules.evidence_limit", matcher.limits.evidence_hit),
            ("tapwire.rules.regex_limit", matcher.limits.regex_hit),
            ("tapwire.rules.asn1_limit", matcher.limits.asn1_hit),
            ("tapwire.rules.waiting_limit", self.waiting_cut),
            ("tapwire.frames_cut", self.frames_cut),
            ("tapwire.parsers_dry", self.parsers_dry),
            ("tapwire.carried.refused", self.layers_refused),
            ("tapwire.files_displaced", losses.displaced),
            ("tapwire.files_dropped", losses.dropped),
            ("tapwire.files_joined", losses.joined),
            ("tapwire.files_unjoined", losses.unjoined),
            ("tapwire.files_late", self.wholes.expired()),
            ("tapwire.files_unkept", losses.unkept),
            ("tapwire.parser_faults", self.parser_faults),
            // They are there also where nothing was let go.
            ("tapwire.app_layer.evicted", 0),
            ("tapwire.app_layer.evicted_bytes", 0),
            ("http.memcap", 0),
            ("ftp.memcap", 0),
            ("tcp.pseudo", 0),
            ("flow.wrk.flows_evicted_pkt_inject", 0),
        ];
        own.into_iter().chain(matcher.lua.failures.counters())
    }
}

/// The protocols that EVE tells the memory of, by name, with the counters of that and of flows that had to give it up.
const WITH_MEMORY: [(&str, &str, &str); 2] =
    [("http", "http.memuse", "http.memcap"), ("ftp", "ftp.memuse", "ftp.memcap")];

impl Application {
    /// The name of its protocol in counters, where EVE has some of it.
    pub fn counted_as(&self) -> Option<String> {
        let card = REGISTRY.get(usize::from(self.protocol?.0)).filter(|card| !card.is_own)?;
        Some(card.counted_on(if self.is_datagram { Carrier::Udp } else { Carrier::Tcp }))
    }

    /// The names of the counters of the memory that its protocol has, and of flows that had to give it up.
    pub fn memory_counters(&self) -> Option<(&'static str, &'static str)> {
        let card = REGISTRY.get(usize::from(self.protocol?.0))?;
        WITH_MEMORY.iter().find(|(name, ..)| *name == card.name).map(|(_, memory, refused)| (*memory, *refused))
    }
}

/// The memory of protocols that EVE tells it of, by name.
pub fn memory<'a>(applications: impl Iterator<Item = &'a Application>) -> impl Iterator<Item = (&'static str, u64)> {
    let mut all = WITH_MEMORY.map(|(_, name, _)| (name, 0));
    for application in applications {
        let Some((name, _)) = application.memory_counters() else { continue };
        let place = all.iter_mut().find(|(known, _)| *known == name);
        place.into_iter().for_each(|(_, bytes)| *bytes += application.held_bytes() as u64);
    }
    all.into_iter()
}
