//! Any TCP packets between two ends in any order: the engine never panics, keeps to its memory, and gives readers only what it
//! counts.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tapwire::decode::memory::Budget;
use tapwire::flow::stream::Chunk;
use tapwire::flow::{Settings, Table};
use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol::Direction;

#[derive(Arbitrary, Debug)]
struct Segment {
    back: bool,
    sequence: u8,
    acknowledgement: u8,
    flags: u8,
    window: u8,
    urgent: u8,
    millis: u16,
    body: Vec<u8>,
}

const LIMIT_BYTES: usize = 256 << 10;

fuzz_target!(|input: (u8, Vec<Segment>)| {
    let mut settings = Settings { checksums: false, ..Settings::default() };
    settings.tcp.midstream = input.0 & 1 != 0;
    settings.tcp.async_oneside = input.0 & 2 != 0;
    settings.tcp.inline = input.0 & 4 != 0;
    let streams = Budget::new(LIMIT_BYTES);
    let mut table: Table<()> = Table::new(settings, Budget::new(1 << 20), streams.clone());
    let mut now = 0;
    for segment in &input.1 {
        now += u64::from(segment.millis) * 1000;
        let data = packet(segment);
        let packet = Packet::decode(1, Timestamp(now), 101, &data, 0, false);
        let Some(arrival) = table.packet(&packet, 0, &mut |_, _| {}) else { continue };
        let (place, closed) = (arrival.place, arrival.tcp.closed);
        let Some(flow) = table.flow(place) else { continue };
        for direction in Direction::BOTH {
            let Some(stream) = flow.stream_mut(direction) else { continue };
            if closed {
                stream.expose();
            }
            for _ in 0..64 {
                match stream.parser_next() {
                    Chunk::Data(data) => {
                        let count = data.len() / 2 + 1;
                        stream.parser_alternative(count);
                        stream.parser_consume(count);
                    }
                    Chunk::Gap(_) => stream.parser_skip_gap(),
                    Chunk::Nothing => break,
                }
            }
            if segment.flags & 0x80 != 0 {
                while !matches!(stream.raw_next(), Chunk::Nothing) {
                    let count = stream.unread_raw();
                    stream.raw_consume(count);
                    stream.raw_skip_gap();
                }
            }
        }
        table.settle(place);
        assert!(streams.drawn_bytes() <= LIMIT_BYTES);
    }
});

fn packet(segment: &Segment) -> Vec<u8> {
    let body = &segment.body[..segment.body.len().min(1400)];
    let (mut from, mut to, mut ports) = ([10, 0, 0, 1], [10, 0, 0, 2], [0x9c, 0x40, 0, 80]);
    if segment.back {
        (from, to, ports) = (to, from, [0, 80, 0x9c, 0x40]);
    }
    let mut data = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0];
    data.extend([from, to, ports].concat());
    // Near the end of the numbers, so that they wrap.
    data.extend((u32::MAX - 64).wrapping_add(u32::from(segment.sequence)).to_be_bytes());
    data.extend((u32::MAX - 64).wrapping_add(u32::from(segment.acknowledgement)).to_be_bytes());
    data.extend([0x50, segment.flags & 0x3f, segment.window, 0, 0, 0, 0, segment.urgent]);
    data.extend(body);
    let len = u16::try_from(data.len()).unwrap().to_be_bytes();
    data[2..4].copy_from_slice(&len);
    data
}
