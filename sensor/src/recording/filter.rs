//! A filter in tcpdump's language over packets of any link type.

use std::collections::BTreeMap;

use pcap::{BpfProgram, Capture, Linktype};

/// Ethernet, whose packets most filters are written for.
const ETHERNET: u32 = 1;

/// Packets that begin with IP, in files.
const RAW: u32 = 101;
const RAW_OF_LIBRARY: i32 = 12;

/// A filter, compiled for each link type when the first packet of it comes.
pub struct Filter {
    text: String,
    programs: BTreeMap<u32, Option<BpfProgram>>,
    /// Packets that did not pass.
    pub refused: u64,
}

impl Filter {
    /// A filter, or why its text is none.
    pub fn new(text: &str) -> Result<Self, String> {
        let program = compile(text, ETHERNET).map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), programs: BTreeMap::from([(ETHERNET, Some(program))]), refused: 0 })
    }

    /// Whether a packet passes. None of a link type that it means nothing for does.
    pub fn passes(&mut self, link_type: u32, data: &[u8]) -> bool {
        let text = &self.text;
        let program = self.programs.entry(link_type).or_insert_with(|| compile(text, link_type).ok());
        let passes = program.as_ref().is_some_and(|program| program.filter(data));
        self.refused += u64::from(!passes);
        passes
    }
}

fn compile(text: &str, link_type: u32) -> Result<BpfProgram, pcap::Error> {
    // The library has a number of its own for packets that begin with IP.
    let link_type = if link_type == RAW { RAW_OF_LIBRARY } else { i32::try_from(link_type).unwrap_or(i32::MAX) };
    Capture::dead(Linktype(link_type))?.compile(text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: [u8; 28] = *b"\x45\x00\x00\x1c\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\x35\x00\x35\x00\x08\x00\x00";

    #[test]
    fn a_filter_is_for_any_link_type() {
        let mut filter = Filter::new("udp port 53").unwrap();
        let ethernet = [&[0; 12][..], b"\x08\x00", &UDP].concat();
        assert!(filter.passes(1, &ethernet) && filter.passes(101, &UDP));
        assert!(!filter.passes(101, &ethernet) && !filter.passes(1, &[]) && !filter.passes(1 << 31, &UDP));
        assert_eq!(filter.refused, 3);
        assert!(Filter::new("udp prt 53").is_err());
    }
}
