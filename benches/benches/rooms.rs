//! The rooms that a packet goes through, one by one, and the whole way.

use std::path::{Path, PathBuf};

use divan::counter::{BytesCount, ItemsCount};
use tapwire::capture::Source;
use tapwire::capture::batch::Batch;
use tapwire::capture::files::Files;
use tapwire::decode::memory::Budget;
use tapwire::flow::stream::Chunk;
use tapwire::flow::{Key, Settings, Table};
use tapwire::inspect::recognise::{Ports, Recogniser};
use tapwire_benches::{tcp_segment, traffic, udp_packet};
use tapwire_parsers::REGISTRY;
use tapwire_parsers::link::{Layer4, Packet, Timestamp};
use tapwire_parsers::protocol::{
    Carrier, Direction, Input, NoFiles, Opening, Output, Protocol, ProtocolId, Settings as ProtocolSettings,
};

fn main() {
    divan::main();
}

fn cases(protocol: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps").join(protocol);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.path().join("capture.pcap")).filter(|p| p.exists()).collect()
}

fn packets(path: &Path) -> Batch {
    let mut batch = Batch::default();
    drop(Files::new(&[path.to_owned()]).next_batch(&mut batch));
    batch
}

fn decode_all(batch: &Batch) -> impl Iterator<Item = Packet<'_>> {
    batch.frames.iter().map(|f| Packet::decode(f.number, f.time, f.link_type, batch.data(f), f.wire_len, false))
}

#[divan::bench]
fn decode(bencher: divan::Bencher<'_, '_>) {
    let batches: Vec<Batch> = cases("http").iter().chain(&cases("dns")).map(|p| packets(p)).collect();
    let count: usize = batches.iter().map(|b| b.frames.len()).sum();
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| batches.iter().flat_map(decode_all).filter(|p| divan::black_box(p).ip.is_some()).count());
}

/// The same by etherparse, which checks less: no carriers inside carriers, no options, no names for what is wrong.
#[divan::bench]
fn decode_with_etherparse(bencher: divan::Bencher<'_, '_>) {
    let batches: Vec<Batch> = cases("http").iter().chain(&cases("dns")).map(|p| packets(p)).collect();
    let count: usize = batches.iter().map(|b| b.frames.len()).sum();
    let sliced = |batch: &Batch| -> usize {
        let packets = batch.frames.iter().filter_map(|f| etherparse::SlicedPacket::from_ethernet(batch.data(f)).ok());
        packets.filter(|packet| divan::black_box(packet).net.is_some()).count()
    };
    bencher.counter(ItemsCount::new(count)).bench_local(|| batches.iter().map(sliced).sum::<usize>());
}

#[divan::bench(args = [1_000, 100_000, 1_000_000])]
fn flow_lookup(bencher: divan::Bencher<'_, '_>, flows: u32) {
    let mut table: Table<()> = Table::new(Settings::default(), Budget::new(0), Budget::new(0));
    let frames: Vec<Vec<u8>> = (0..flows).map(udp_packet).collect();
    let mut visit = |number: usize, frame: &[u8]| {
        let packet = Packet::decode(number as u64, Timestamp(1_000_000), 101, frame, 28, false);
        table.packet(&packet, 0, &mut |_, _| {}).map(|arrival| arrival.new)
    };
    for (number, frame) in frames.iter().enumerate() {
        visit(number, frame);
    }
    let mut next = 0_usize;
    bencher.counter(ItemsCount::new(1_000_usize)).bench_local(|| {
        let mut known = 0;
        for _ in 0..1_000 {
            // A stride that visits all flows in no order that a cache could guess.
            next = (next + 7_919) % frames.len();
            known += usize::from(frames.get(next).and_then(|f| visit(next, f)) == Some(false));
        }
        known
    });
}

/// The first bytes of a flow that nobody knows, with so many protocols to choose from: those of the registry again and again.
#[divan::bench(args = [11, 20, 60])]
fn recognise_nobody(bencher: divan::Bencher<'_, '_>, protocols: usize) {
    let mut recogniser = Recogniser::default();
    for (round, (id, card)) in (0..).map(ProtocolId).zip(REGISTRY).cycle().take(protocols).enumerate() {
        let shift = u16::try_from(round / REGISTRY.len()).unwrap_or(0) * 100;
        for carrier in card.carriers {
            recogniser.add(id, *carrier, card.ports.iter().map(|port| (port + shift, port + shift)).collect());
        }
    }
    let (bytes, ports) = ([b'z'; 200], Ports { client: 40_000, server: 9_999 });
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        recogniser.recognise(Carrier::Tcp, Direction::ToServer, ports, divan::black_box(&bytes), false, false)
    });
}

/// A case's payloads of its first flow, in order.
fn conversation(path: &Path) -> (Carrier, Vec<(Direction, Vec<u8>)>) {
    let batch = packets(path);
    let (mut first, mut out, mut transport) = (None, Vec::new(), Carrier::Tcp);
    for packet in decode_all(&batch) {
        let Some(key) = Key::of(&packet, true, false, 0) else { continue };
        let opening = *first.get_or_insert(key);
        if matches!(packet.layer4, Layer4::Udp(_)) {
            transport = Carrier::Udp;
        }
        if let Some(ends) = key.link() {
            transport = Carrier::Link(ends.ether_type);
        }
        if key.canonical() == opening.canonical() && !packet.payload.is_empty() {
            let direction = if key == opening { Direction::ToServer } else { Direction::ToClient };
            out.push((direction, packet.payload.to_vec()));
        }
    }
    (transport, out)
}

fn protocols() -> Vec<&'static str> {
    REGISTRY.iter().map(|p| p.name).filter(|name| !cases(name).is_empty()).collect()
}

fn parse(card: &Protocol, transport: Carrier, conversation: &[(Direction, Vec<u8>)]) -> u64 {
    let mut parser = (card.configure)(&ProtocolSettings::default())(&Opening::by(transport));
    let mut files = NoFiles;
    let mut left = [Vec::new(), Vec::new()];
    for (direction, bytes) in conversation {
        let Some(left) = left.get_mut(direction.index()) else { continue };
        left.extend_from_slice(bytes);
        let done = parser.advance(&Input::new(*direction, left), &mut Output::new(&mut files)).consumed;
        left.drain(..done.min(left.len()));
    }
    parser.transactions().range().end
}

#[divan::bench(args = protocols())]
fn parser(bencher: divan::Bencher<'_, '_>, name: &str) {
    let card = REGISTRY.iter().find(|p| p.name == name);
    let inputs: Vec<_> = cases(name).iter().map(|p| conversation(p)).collect();
    let bytes: usize = inputs.iter().flat_map(|i| &i.1).map(|(_, b)| b.len()).sum();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        inputs.iter().map(|(transport, input)| card.map_or(0, |card| parse(card, *transport, input))).sum::<u64>()
    });
}

/// A connection with a MiB from the client, its segments in order or each pair of them swapped, read as it is acknowledged.
#[divan::bench(args = [false, true])]
fn reassembly(bencher: divan::Bencher<'_, '_>, swapped: bool) {
    const SEGMENTS: u32 = 748;
    const BYTES: u32 = 1_402;
    let payload = traffic(BYTES as usize, 7);
    let payload = payload.get(..BYTES as usize).unwrap_or(&payload);
    let mut frames =
        vec![tcp_segment(true, 0, 0, 2, &[]), tcp_segment(false, 0, 1, 18, &[]), tcp_segment(true, 1, 1, 16, &[])];
    for pair in 0..SEGMENTS / 2 {
        let order = if swapped { [1, 0] } else { [0, 1] };
        frames.extend(order.map(|half| tcp_segment(true, 1 + (pair * 2 + half) * BYTES, 1, 24, payload)));
        frames.push(tcp_segment(false, 1, 1 + (pair * 2 + 2) * BYTES, 16, &[]));
    }
    bencher.counter(BytesCount::new(SEGMENTS * BYTES)).bench_local(|| {
        let settings = Settings { checksums: false, ..Settings::default() };
        let mut table: Table<()> = Table::new(settings, Budget::new(0), Budget::new(0));
        let mut read = 0;
        for (number, frame) in (1..).zip(&frames) {
            let packet = Packet::decode(number, Timestamp(number), 101, frame, 40, false);
            let Some(arrival) = table.packet(&packet, 0, &mut |_, _| {}) else { continue };
            let place = arrival.place;
            if let Some(stream) = arrival.flow.stream_mut(Direction::ToServer) {
                while let Chunk::Data(data) = stream.parser_next() {
                    let length = data.len();
                    read += length;
                    stream.parser_consume(length);
                    stream.raw_consume(length);
                }
            }
            table.settle(place);
        }
        read
    });
}

/// The whole way, from a capture file to compressed records: `TAPWIRE_CAPTURE` names a larger one than the project's own.
#[divan::bench(sample_count = 5)]
fn replay(bencher: divan::Bencher<'_, '_>) {
    use clap::Parser;
    let own = cases("http").into_iter().next().unwrap_or_default();
    let capture = std::env::var_os("TAPWIRE_CAPTURE").map_or(own, PathBuf::from);
    let size = std::fs::metadata(&capture).map_or(0, |m| m.len());
    let folder = std::env::temp_dir().join(format!("tapwire-bench-{}", std::process::id()));
    let arguments = tapwire::start::cli::Arguments::try_parse_from(["tapwire", "replay", "--no-rules", "-"]);
    let Ok(tapwire::start::cli::Arguments { command: tapwire::start::cli::Command::Replay(options), .. }) = arguments
    else {
        return;
    };
    let Ok(prepared) = tapwire::start::engine::prepare(&options.common) else { return };
    let settings = prepared.configuration.settings();
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let plan = tapwire::run::Plan {
            settings: &settings,
            active: tapwire::run::Active::new(prepared.engine.clone()),
            folder: &folder,
            data_dir: &folder,
            workers: 1,
            checksums: tapwire::capture::offload::Checksums::Off,
            progress: None,
            stop: None,
            reopen: None,
            costly: None,
            sandbox: None,
            window: tapwire::run::window::Window::new(1),
            warn: None,
        };
        tapwire::run::replay(&plan, std::slice::from_ref(&capture)).counters.len()
    });
    drop(std::fs::remove_dir_all(&folder));
}
