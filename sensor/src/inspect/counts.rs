//! What was counted of inspection, by the names that `stats` records have.

use super::Inspector;

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
            ("tapwire.files_unjoined", losses.unjoined),
            ("tapwire.files_unkept", losses.unkept),
            ("tapwire.parser_faults", self.parser_faults),
            // They are there also where nothing was let go.
            ("tapwire.app_layer.evicted", 0),
            ("tapwire.app_layer.evicted_bytes", 0),
        ];
        own.into_iter().chain(matcher.lua.failures.counters())
    }
}
