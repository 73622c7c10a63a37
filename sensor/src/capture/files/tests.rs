use std::fs;
use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::capture::format::Order;
use crate::capture::{PACKET_LIMIT_BYTES, batch::Frame};

const ETHERNET: u16 = 1;
const RAW: u16 = 101;

fn order16(order: Order, number: u16) -> [u8; 2] {
    if order == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() }
}

fn order32(order: Order, number: u32) -> [u8; 4] {
    if order == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() }
}

/// A capture in the pcap format.
fn pcap(order: Order, magic: u32, link_type: u16, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut file = order32(order, magic).to_vec();
    file.extend([order16(order, 2), order16(order, 4)].concat());
    file.extend([[0; 4], [0; 4], order32(order, 65_535), order32(order, link_type.into())].concat());
    for (seconds, parts, data) in packets {
        let len = order32(order, u32::try_from(data.len()).unwrap());
        file.extend([order32(order, *seconds), order32(order, *parts), len, len].concat());
        if magic == KUZNETZOV {
            file.extend([order32(order, 3), [0; 4]].concat());
        }
        file.extend(*data);
    }
    file
}

/// A block of the pcapng format around a body.
fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = order32(order, u32::try_from(body.len() + 12).unwrap());
    [&order32(order, kind)[..], &len, &body, &len].concat()
}

fn section(order: Order) -> Vec<u8> {
    let body = [&order32(order, 0x1a2b_3c4d)[..], &order16(order, 1), &order16(order, 0), &[0xff; 8]].concat();
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: Order, link_type: u16, snap_len: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = [&order16(order, link_type)[..], &[0, 0], &order32(order, snap_len)].concat();
    for (kind, value) in options {
        body.extend([order16(order, *kind), order16(order, u16::try_from(value.len()).unwrap())].concat());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    block(order, 1, &body)
}

fn enhanced(order: Order, index: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
    let len = order32(order, u32::try_from(data.len()).unwrap());
    let (high, low) = (u32::try_from(ticks >> 32).unwrap(), u32::try_from(ticks & 0xffff_ffff).unwrap());
    let fixed = [order32(order, index), order32(order, high), order32(order, low), len, len].concat();
    // A comment behind the packet.
    let mut body = [&fixed, data].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend([&order16(order, 1)[..], &order16(order, 4), b"text"].concat());
    block(order, 6, &body)
}

/// What a reading of the paths gives: packets, and errors between them.
#[derive(Debug, Default)]
struct Reading {
    packets: Vec<(Frame, Vec<u8>)>,
    errors: Vec<CaptureError>,
}

impl Reading {
    fn of(paths: &[PathBuf]) -> Self {
        let mut reading = Reading::default();
        let mut files = Files::new(paths);
        let mut batch = Batch::new();
        loop {
            batch.clear();
            let more = files.next_batch(&mut batch);
            reading.packets.extend(batch.frames.iter().map(|frame| (*frame, batch.data(frame).to_vec())));
            match more {
                Ok(More::Yes) => {}
                Ok(More::No) => break,
                Err(error) => {
                    assert!(batch.frames.is_empty(), "packets come before the error");
                    reading.errors.push(error);
                }
            }
        }
        reading
    }

    fn of_bytes(data: &[u8]) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(data).unwrap();
        Self::of(&[file.path().to_path_buf()])
    }

    fn times(&self) -> Vec<u64> {
        self.packets.iter().map(|(frame, _)| frame.time.0).collect()
    }

    fn data(&self) -> Vec<&[u8]> {
        self.packets.iter().map(|(_, data)| &data[..]).collect()
    }

    fn statuses(&self) -> Vec<u8> {
        self.errors.iter().map(CaptureError::exit_status).collect()
    }
}

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const KUZNETZOV: u32 = 0xa1b2_cd34;

#[test]
fn pcap_files_are_read_in_all_variants() {
    for order in [Order::Little, Order::Big] {
        for (magic, parts, micros) in [(MICRO, 7, 7), (NANO, 7_999, 7), (KUZNETZOV, 7, 7)] {
            let data = pcap(order, magic, ETHERNET, &[(1, parts, b"one"), (2, 0, b""), (3, parts, b"three")]);
            let reading = Reading::of_bytes(&data);
            assert!(reading.errors.is_empty(), "{:?}", reading.errors);
            assert_eq!(reading.data(), [&b"one"[..], b"", b"three"]);
            assert_eq!(reading.times(), [1_000_000 + micros, 2_000_000, 3_000_000 + micros]);
            let numbers: Vec<_> = reading.packets.iter().map(|(frame, _)| (frame.number, frame.wire_len)).collect();
            assert_eq!(numbers, [(1, 3), (2, 0), (3, 5)]);
            assert_eq!(reading.packets[0].0.interface, if magic == KUZNETZOV { 3 } else { 0 });
        }
    }
}

#[test]
fn pcapng_files_have_sections_and_interfaces() {
    let mut file = Vec::new();
    for order in [Order::Little, Order::Big] {
        let offset = if order == Order::Little { 10i64.to_le_bytes() } else { 10i64.to_be_bytes() };
        file.extend(section(order));
        file.extend(interface(order, ETHERNET, 0, &[(2, b"eth0"), (0, b"")]));
        file.extend(interface(order, RAW, 0, &[(9, &[9]), (14, &offset)]));
        file.extend(interface(order, RAW, 0, &[(9, &[0x80 | 10])]));
        file.extend(block(order, 5, &[1; 37]));
        file.extend(enhanced(order, 0, 5_000_000_000_000, b"microseconds"));
        file.extend(enhanced(order, 1, 5_000_000_999, b"nanoseconds"));
        file.extend(block(order, 0x0bad, &vec![7; 2_000_000]));
        file.extend(enhanced(order, 2, 1024 + 512, b"halves"));
    }
    let reading = Reading::of_bytes(&file);
    assert!(reading.errors.is_empty(), "{:?}", reading.errors);
    let once = [5_000_000_000_000, 15_000_000, 1_500_000];
    assert_eq!(reading.times(), [once, once].concat());
    assert_eq!(reading.data()[3..], [&b"microseconds"[..], b"nanoseconds", b"halves"]);
    let kinds: Vec<_> = reading.packets.iter().map(|(frame, _)| (frame.interface, frame.link_type)).collect();
    assert_eq!(kinds[..3], [(0, 1), (1, 101), (2, 101)]);
}

#[test]
fn simple_and_obsolete_packets_are_read() {
    let order = Order::Little;
    let mut file = [section(order), interface(order, RAW, 4, &[])].concat();
    let obsolete = [&[0, 0, 0, 0][..], &[0; 4], &9u32.to_le_bytes(), &[3, 0, 0, 0], &[9, 0, 0, 0], b"old"].concat();
    file.extend(block(order, 2, &obsolete));
    file.extend(block(order, 3, &[&[6, 0, 0, 0][..], b"simple"].concat()));
    let reading = Reading::of_bytes(&file);
    assert!(reading.errors.is_empty(), "{:?}", reading.errors);
    assert_eq!(reading.data(), [&b"old"[..], b"simp"]);
    assert_eq!(reading.times(), [9, 9], "a simple packet has the time of the one before");
    assert_eq!(reading.packets[1].0.wire_len, 6);
}

fn two_captures() -> [Vec<u8>; 2] {
    let order = Order::Little;
    let ng = [
        section(order),
        interface(order, RAW, 0, &[(9, &[6])]),
        enhanced(order, 0, 1, b"first"),
        block(order, 4, b"names"),
        enhanced(order, 0, 2, b"second"),
    ];
    [pcap(Order::Big, MICRO, RAW, &[(0, 1, b"first"), (0, 2, b"second")]), ng.concat()]
}

#[test]
fn a_cut_at_any_byte_leaves_the_packets_before_it() {
    for file in two_captures() {
        for cut in 0..file.len() {
            let reading = Reading::of_bytes(&file[..cut]);
            let expected = [&b"first"[..], b"second"];
            assert_eq!(reading.data(), expected[..reading.packets.len()], "cut at {cut}");
            match &reading.errors[..] {
                // Between two blocks or packets.
                [] => assert!(cut > 20, "cut at {cut}"),
                [CaptureError::CutOff { offset, uncompressed: false, .. }] => assert!(*offset <= cut as u64),
                [CaptureError::Unsupported { .. }] if (1..4).contains(&cut) => {}
                errors => panic!("cut at {cut}: {errors:?}"),
            }
        }
    }
}

#[test]
fn damage_has_a_place_and_a_status() {
    let good = pcap(Order::Little, MICRO, RAW, &[(0, 1, b"first")]);
    let too_long = u32::try_from(PACKET_LIMIT_BYTES + 1).unwrap();
    let long = [&good[..], &[0; 8], &too_long.to_le_bytes(), &too_long.to_le_bytes()].concat();
    let reading = Reading::of_bytes(&long);
    assert_eq!(reading.data(), [b"first"]);
    let [CaptureError::Corrupt { offset: 45, .. }] = reading.errors[..] else { panic!("{:?}", reading.errors) };

    let [_, mut ng] = two_captures();
    let last = ng.len() - 1;
    ng[last] ^= 1;
    assert_eq!((Reading::of_bytes(&ng).statuses(), Reading::of_bytes(&ng).packets.len()), (vec![4], 1));

    let mixed = |kinds: [u16; 2]| {
        let o = Order::Little;
        let interfaces = kinds.map(|kind| interface(o, kind, 0, &[])).concat();
        let packets = [enhanced(o, 0, 1, b"one"), enhanced(o, 1, 2, b"two"), enhanced(o, 0, 3, b"three")].concat();
        Reading::of_bytes(&[section(o), interfaces, packets].concat())
    };
    let reading = mixed([ETHERNET, 147]);
    assert_eq!((reading.data(), reading.statuses()), (vec![&b"one"[..], b"three"], vec![0]));
    assert_eq!(reading.packets[1].0.number, 3, "what is left out is counted");
    assert_eq!((mixed([147, 147]).statuses(), mixed([147, 147]).packets.len()), (vec![5], 0));
    let other_link = pcap(Order::Little, MICRO, 147, &[]);
    assert_eq!(Reading::of_bytes(&other_link).statuses(), [5]);
    assert_eq!(Reading::of_bytes(b"no capture at all").statuses(), [5]);
    assert_eq!(Reading::of_bytes(b"").statuses(), [3]);
    assert_eq!(Reading::of(&["/no/such/file".into()]).statuses(), [1]);
    let unknown = [section(Order::Little), enhanced(Order::Little, 0, 0, b"x")].concat();
    assert_eq!(Reading::of_bytes(&unknown).statuses(), [4]);
}

fn compressed(data: &[u8]) -> [Vec<u8>; 3] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(data).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(data).unwrap();
    [gzip.finish().unwrap(), zstd::encode_all(data, 1).unwrap(), lz4.finish().unwrap()]
}

#[test]
fn compressed_files_are_read_and_a_cut_is_found() {
    let noise: Vec<u8> = (0u32..3000).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    let packets: Vec<(u32, u32, &[u8])> = noise.chunks(100).map(|data| (1, 2, data)).collect();
    let file = pcap(Order::Little, MICRO, RAW, &packets);
    for data in compressed(&file) {
        let reading = Reading::of_bytes(&data);
        assert!(reading.errors.is_empty() && reading.packets.len() == 120, "{:?}", reading.errors);
        let reading = Reading::of_bytes(&data[..data.len() / 2]);
        let [CaptureError::CutOff { uncompressed: true, .. }] = &reading.errors[..] else {
            panic!("{:?}", reading.errors)
        };
    }
    let [mut gzip, ..] = compressed(&file);
    let crc = gzip.len() - 8;
    gzip[crc] ^= 1;
    let reading = Reading::of_bytes(&gzip);
    assert_eq!((reading.statuses(), reading.packets.len()), (vec![4], 120));
}

#[test]
fn files_are_read_one_behind_the_other_even_if_one_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, data: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, data).unwrap();
        path
    };
    let capture = pcap(Order::Little, MICRO, RAW, &[(0, 0, b"one"), (0, 0, b"two")]);
    let paths = [write("a", &capture), write("b", &capture[..50]), write("c", &capture)];
    let reading = Reading::of(&paths);
    assert_eq!(reading.data(), [&b"one"[..], b"two", b"one", b"one", b"two"]);
    let numbers: Vec<_> = reading.packets.iter().map(|(frame, _)| frame.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5], "numbers go on over files");
    let [CaptureError::CutOff { name, offset: 43, .. }] = &reading.errors[..] else { panic!("{:?}", reading.errors) };
    assert_eq!(*name, paths[1].display().to_string());
    let progress = Arc::new(Progress::default());
    let (mut files, mut named) = (Files::new(&paths).with_progress(Arc::clone(&progress)), Vec::new());
    loop {
        let mut batch = Batch::new();
        let result = files.next_batch(&mut batch);
        let file = batch.capture.clone().filter(|_| !batch.frames.is_empty());
        named.extend(file.map(|file| (file.name.as_str().into(), batch.frames.len())));
        if matches!(result, Ok(More::No)) {
            break;
        }
    }
    let expected: Vec<(Arc<str>, usize)> =
        paths.iter().zip([2, 1, 2]).map(|(path, packets)| (path.display().to_string().into(), packets)).collect();
    assert_eq!(named, expected, "a batch is of one file");
    assert_eq!(progress.bytes.load(Ordering::Relaxed), 2 * capture.len() as u64 + 50);
    assert_eq!(progress.files.load(Ordering::Relaxed), 3);
}

#[test]
fn large_captures_come_in_several_batches() {
    let data = [7u8; 1500];
    let packets: Vec<(u32, u32, &[u8])> = (0..3000).map(|n| (n, 0, &data[..])).collect();
    let file = pcap(Order::Little, MICRO, RAW, &packets);
    let reading = Reading::of_bytes(&file);
    assert!(reading.times().into_iter().eq((0..3000).map(|n| n * 1_000_000)));
    let [ng, ..] = compressed(&file);
    assert_eq!(Reading::of_bytes(&ng).packets.len(), 3000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn flipped_bytes_never_panic(which in 0usize..2, flips in proptest::collection::vec((0usize..200, any::<u8>()), 1..6)) {
        let mut file = two_captures()[which].clone();
        for (at, byte) in flips {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        let reading = Reading::of_bytes(&file);
        prop_assert!(reading.errors.len() <= 1);
    }

    #[test]
    fn flipped_compressed_bytes_never_panic(which in 0usize..3, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut file = compressed(&two_captures()[0])[which].clone();
        let at = at.index(file.len());
        file[at] = byte;
        let reading = Reading::of_bytes(&file);
        prop_assert!(reading.errors.len() <= 1);
    }
}
