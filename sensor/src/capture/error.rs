//! What can be wrong with a source of packets, and what to do about it.

use std::io;

use thiserror::Error;

/// Why a source gave no more packets. Those before were delivered.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The system does not let it be opened or read.
    #[error("{name}: cannot be read: {cause}; check that it exists and that this user may read it")]
    Unreadable {
        /// The file or folder.
        name: String,
        /// What the system said.
        cause: io::Error,
    },
    /// No capture was found.
    #[error("{name}: there are no captures in it; give a capture file (pcap or pcapng), or a folder with some")]
    Nothing {
        /// The folder.
        name: String,
    },
    /// The capture ends in the middle.
    #[error(
        "{name}: the capture is cut off after byte {offset}{}; the packets before were read, copy the file again if the \
         rest is missed",
        counted(*.uncompressed)
    )]
    CutOff {
        /// The file.
        name: String,
        /// Where what is incomplete begins.
        offset: u64,
        /// Whether bytes are counted after decompression.
        uncompressed: bool,
    },
    /// The capture is damaged.
    #[error(
        "{name}: the capture is damaged at byte {offset}{}: {what}; the packets before were read, a tool such as pcapfix \
         may save those behind",
        counted(*.uncompressed)
    )]
    Corrupt {
        /// The file.
        name: String,
        /// Where what is wrong begins.
        offset: u64,
        /// Whether bytes are counted after decompression.
        uncompressed: bool,
        /// What is wrong there.
        what: String,
    },
    /// The file is no capture, or one of a kind that is not known.
    #[error("{name}: {what} (at byte {offset}{}) is not supported; convert it, for example with editcap", counted(*.uncompressed))]
    Unsupported {
        /// The file or interface.
        name: String,
        /// Where it was found.
        offset: u64,
        /// Whether bytes are counted after decompression.
        uncompressed: bool,
        /// What is not known.
        what: String,
    },
    /// Some interfaces of a capture are of a kind that is not known.
    #[error(
        "{name}: {packets} packets of a link type that is not supported were left out (the first of {link_type}); all others were read"
    )]
    LeftOut {
        /// The file.
        name: String,
        /// How many.
        packets: u64,
        /// Link type of the first of them.
        link_type: u32,
    },
    /// An interface cannot be opened, or fails.
    #[error(
        "{name}: cannot capture: {cause}; check the name, that the interface is up, and that this user may capture (CAP_NET_RAW)"
    )]
    Interface {
        /// The interface.
        name: String,
        /// What the system or the capture library said.
        cause: String,
    },
    /// A capture filter cannot be used.
    #[error("{name}: the capture filter cannot be used: {cause}; its language is that of tcpdump")]
    Filter {
        /// The interface.
        name: String,
        /// What the capture library said.
        cause: ::pcap::Error,
    },
}

impl CaptureError {
    /// The exit status of a run that ends with it.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Unreadable { .. } | Self::Nothing { .. } | Self::Interface { .. } | Self::Filter { .. } => 1,
            Self::LeftOut { .. } => 0,
            Self::CutOff { .. } => 3,
            Self::Corrupt { .. } => 4,
            Self::Unsupported { .. } => 5,
        }
    }
}

fn counted(uncompressed: bool) -> &'static str {
    if uncompressed { " of the uncompressed bytes" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_what_to_do() {
        let error = CaptureError::CutOff { name: "a.pcap.gz".into(), offset: 40, uncompressed: true };
        assert_eq!(
            error.to_string(),
            "a.pcap.gz: the capture is cut off after byte 40 of the uncompressed bytes; the packets before were read, copy \
             the file again if the rest is missed"
        );
        assert_eq!(error.exit_status(), 3);
    }
}
