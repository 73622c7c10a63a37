//! Each parser says what it holds: compared with what the allocator gave it and has not back, on the streams of its captures and on
//! state that is left open.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an allocator that counts is unsafe by its trait; test code reads what is bounded"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol::{Carrier, Direction, Input, NoFiles, Opening, Output, Parser, Protocol, Settings};
use tapwire_parsers::{REGISTRY, protocol, protocol_id};

/// What one side sent.
type Turn = (Direction, Vec<u8>);

struct Counting;

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: usize, gained: bool) {
    let bytes = isize::try_from(bytes).unwrap_or(isize::MAX);
    // A thread that ends gives back what it has when nothing is counted any more.
    let _ = LIVE_BYTES.try_with(|live| live.set(live.get() + if gained { bytes } else { -bytes }));
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), true);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), false);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn live_bytes() -> isize {
    LIVE_BYTES.with(Cell::get)
}

/// Hands bytes to a parser, and what it leaves again with what follows.
fn feed(parser: &mut dyn Parser, direction: Direction, data: &[u8]) {
    let (mut left, mut wanted) = (Vec::new(), 0);
    for piece in data.chunks(1460) {
        left.extend_from_slice(piece);
        while left.len() >= std::cmp::max(wanted, 1) {
            let (mut files, mut consumed) = (NoFiles, 0);
            let advance = parser.advance(&Input::new(direction, &left), &mut Output::new(&mut files));
            (wanted, consumed) = (advance.wanted, consumed + advance.consumed);
            left.drain(..consumed);
            if consumed == 0 {
                break;
            }
        }
    }
}

/// What a parser says that it holds, and what it does.
fn weigh(name: &str, carrier: Carrier, turns: &[Turn]) -> (usize, usize) {
    let open = (protocol(protocol_id(name).unwrap()).configure)(&Settings::default());
    let before = live_bytes();
    let mut parser = open(&Opening::by(carrier));
    for (direction, data) in turns {
        feed(&mut *parser, *direction, data);
        parser.transactions_mut().take_touched(&mut |_| ());
    }
    let held = usize::try_from(live_bytes() - before).unwrap();
    (parser.held_bytes(), held)
}

fn dns(records: usize) -> Vec<u8> {
    let mut message = vec![0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
    message[7] = u8::try_from(records).unwrap();
    message.extend(b"\x07example\0\0\x01\0\x01");
    (0..records).for_each(|_| message.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04"));
    let mut framed = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(message);
    framed
}

fn dnp3(user: &[u8]) -> Vec<u8> {
    let sum = |data: &[u8]| {
        let step = |sum: u16, _| if sum & 1 == 1 { sum >> 1 ^ 0xa6bc } else { sum >> 1 };
        (!data.iter().fold(0, |sum, byte| (0..8).fold(sum ^ u16::from(*byte), step))).to_le_bytes()
    };
    let head = [5, 0x64, u8::try_from(5 + user.len()).unwrap(), 0xc4, 2, 0, 1, 0];
    [&head[..], &sum(&head), user, &sum(user)].concat()
}

/// What frames without IP carry in the captures of a protocol.
fn frames(card: &Protocol) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps").join(card.name);
    let cases = std::fs::read_dir(folder).unwrap().map(|case| case.unwrap().path().join("capture.pcap"));
    let mut frames = Vec::new();
    for file in cases.map(|case| std::fs::read(case).unwrap()) {
        let mut rest = &file[24..];
        while let Some((head, behind)) = rest.split_first_chunk::<16>() {
            let length = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
            let packet = Packet::decode(0, Timestamp(0), 1, &behind[..length], 0, false);
            if card.carriers.contains(&Carrier::Link(packet.ether_type)) {
                frames.push(packet.payload.to_vec());
            }
            rest = &behind[length..];
        }
    }
    assert!(!frames.is_empty(), "{}", card.name);
    frames
}

fn encoded(name: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: 9999999\r\n\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[test]
fn each_parser_says_what_it_holds() {
    use Direction::{ToClient, ToServer};
    let get = b"GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let headers: String = (0..900).map(|n| format!("name{n}: value {n}\r\n")).collect();
    let form =
        "POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=xx\r\nContent-Length: 99999\r\n\r\n--xx\r\nX: ";
    let mut raw = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut raw, &vec![b'x'; 300_000]).unwrap();
    let gzip = raw.finish().unwrap();
    let mut brotli = vec![0x8f, 0xff, 0x7f, 0x04];
    brotli.extend(vec![b'x'; 60_000]);
    let sip = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nContent-Type: application/sdp\r\nContent-Length: 1026\r\n\r\nv=0\r\n";
    let modbus = |id: u16| [&id.to_be_bytes()[..], &[0, 0, 0, 6, 1, 3, 0, 0, 0, 1]].concat();
    let hello = |body: usize| {
        let mut message = vec![22, 3, 3, 0x3f, 0xff, 11, 1, 0xff, 0xff];
        message.extend(vec![0; body]);
        message
    };
    let kexinit = [&b"SSH-2.0-a\r\n\0\0\x70\0\x04\x14"[..], &vec![b'a'; 20_000]].concat();
    let tcp: Vec<(&str, Vec<Turn>)> = vec![
        ("http", vec![(ToServer, get.repeat(400))]),
        ("http", vec![(ToServer, format!("GET / HTTP/1.1\r\n{headers}\r\n").into_bytes())]),
        ("http", vec![(ToServer, format!("GET / HTTP/1.1\r\n{headers}").into_bytes())]),
        ("http", vec![(ToServer, [form.as_bytes(), &vec![b'y'; 8000]].concat())]),
        ("http", vec![(ToServer, get.clone()), (ToClient, encoded("gzip", &gzip[..gzip.len() / 4]))]),
        ("http", vec![(ToServer, get.clone()), (ToClient, encoded("br", &brotli))]),
        (
            "http",
            vec![
                (ToServer, get.clone()),
                (ToClient, encoded("gzip", &[&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..], &vec![b'n'; 40_000]].concat())),
            ],
        ),
        (
            "http",
            vec![
                (ToServer, get.clone()),
                (ToClient, b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
                (ToClient, vec![b'z'; 90_000]),
            ],
        ),
        ("modbus", vec![(ToServer, (0..400).flat_map(modbus).collect())]),
        ("dnp3", vec![(ToServer, dnp3(&[0xc0, 0xc1, 1, 60, 2, 6]).repeat(100))]),
        ("dns", vec![(ToServer, dns(0)), (ToClient, dns(200).repeat(20))]),
        ("sip", vec![(ToServer, [sip.as_bytes(), &b"a=x\r\n".repeat(300)].concat().repeat(20))]),
        ("tls", vec![(ToClient, hello(16_000))]),
        ("ssh", vec![(ToServer, kexinit)]),
    ];
    let mut wrong = Vec::new();
    for (name, turns) in &tcp {
        let (said, held) = weigh(name, Carrier::Tcp, turns);
        let what: String =
            turns.last().unwrap().1.iter().take(40).flat_map(|b| b.escape_ascii()).map(char::from).collect();
        if said * 3 < held || said > held * 3 {
            wrong.push(format!("{name}: says {said}, holds {held}: {what}"));
        }
    }
    for card in REGISTRY.iter().filter(|card| card.link.is_some()) {
        let turns: Vec<Turn> = frames(card).into_iter().map(|frame| (ToServer, frame)).collect();
        let (said, held) = weigh(card.name, card.carriers[0], &turns);
        if said * 3 < held || said > held * 3 {
            wrong.push(format!("{}: says {said}, holds {held}", card.name));
        }
    }
    for card in REGISTRY.iter().filter(|card| card.carriers.contains(&Carrier::Udp)) {
        let mut dhcp = vec![1, 1, 6, 0];
        dhcp.resize(236, 0);
        dhcp.extend([99, 130, 83, 99, 60, 200]);
        dhcp.extend(vec![7; 200]);
        let datagram = match card.name {
            "dhcp" => dhcp,
            "ntp" => [&[0x23][..], &[0; 47]].concat(),
            "sip" => [sip.as_bytes(), &b"a=x\r\n".repeat(200)].concat(),
            _ => dns(60)[2..].to_vec(),
        };
        let turns = vec![(ToServer, datagram); 30];
        let (said, held) = weigh(card.name, Carrier::Udp, &turns);
        if said * 3 < held || said > held * 3 {
            wrong.push(format!("{}: says {said}, holds {held}", card.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
