//! Any pieces of datagrams in any order: memory keeps its limit, and what is put together can be read.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tapwire::decode::defrag::Defragmenter;
use tapwire::start::config::{self, Configuration};
use tapwire_parsers::link::{Packet, Timestamp};

#[derive(Arbitrary, Debug)]
struct Piece {
    v6: bool,
    id: u8,
    offset: u8,
    more: bool,
    millis: u16,
    body: Vec<u8>,
}

const LIMIT_BYTES: u64 = 64 << 10;

/// A configuration for each way that hosts treat overlaps.
static CONFIGURATIONS: LazyLock<Vec<Configuration>> = LazyLock::new(|| {
    let systems = ["windows", "bsd", "bsd-right", "old-linux", "linux", "solaris", "hpux11"];
    let said = |system| {
        [
            (format!("host-os-policy.{system}"), "0.0.0.0/0".to_owned()),
            ("defrag.memcap".to_owned(), LIMIT_BYTES.to_string()),
        ]
    };
    let load = |set: &[(String, String)]| config::load(config::Given { set, ..config::Given::default() });
    systems.iter().map(|system| load(&said(system)).unwrap().configuration).collect()
});

fuzz_target!(|input: (u8, Vec<Piece>)| {
    let configuration = &CONFIGURATIONS[usize::from(input.0) % CONFIGURATIONS.len()];
    let mut all = Defragmenter::new(configuration.defrag.clone(), configuration.systems.clone(), true);
    let mut now = 0;
    for piece in &input.1 {
        now += u64::from(piece.millis) * 1000;
        let data = packet(piece);
        let outcome = all.packet(&Packet::decode(1, Timestamp(now), 101, &data, 0, false), None);
        assert!(all.memory_bytes() as u64 <= LIMIT_BYTES);
        for datagram in outcome.datagrams {
            let packet = Packet::decode(1, Timestamp(now), 101, &datagram, 0, false);
            assert!(packet.ip.is_none_or(|ip| ip.fragment.is_none()));
        }
    }
});

fn packet(piece: &Piece) -> Vec<u8> {
    let body = &piece.body[..piece.body.len().min(1400)];
    let mut data;
    if piece.v6 {
        data = vec![0x60, 0, 0, 0, 0, 0, 44, 64];
        data.extend([[1; 16], [2; 16]].concat());
        data.extend([17, 0]);
        data.extend((u16::from(piece.offset) << 3 | u16::from(piece.more)).to_be_bytes());
        data.extend([0, 0, 0, piece.id]);
        let len = u16::try_from(8 + body.len()).unwrap().to_be_bytes();
        data[4..6].copy_from_slice(&len);
    } else {
        data = vec![0x45, 0, 0, 0, 0, piece.id, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let len = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
        data[2..4].copy_from_slice(&len);
        let place = (u16::from(piece.offset) | u16::from(piece.more) << 13).to_be_bytes();
        data[6..8].copy_from_slice(&place);
    }
    data.extend(body);
    data
}
