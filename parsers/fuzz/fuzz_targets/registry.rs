//! Any bytes in any pieces, at any time, to any protocol's parser on any of its carriers, in both directions: it never panics, takes no more than it is given, and
//! what its transactions show can be read at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapwire_parsers::REGISTRY;
use tapwire_parsers::json::Object;
use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::{Carrier, Direction, Ends, Input, NoFiles, Opening, Output, Purpose, Settings, Sides};

fuzz_target!(|input: (u8, Vec<(bool, Vec<u8>)>)| {
    let (which, pieces) = input;
    let card = REGISTRY[usize::from(which) % REGISTRY.len()];
    let carrier = card.carriers[usize::from(which) / REGISTRY.len() % card.carriers.len()];
    let mut parser = (card.configure)(&Settings::default())(&Opening::by(carrier));
    let recorder = (card.recorder)(&Settings::default());
    let ends = match carrier {
        Carrier::Link(_) => Ends::Link(Sides { client: [2, 0, 0, 0, 0, 1], server: [1, 0x0c, 0xcd, 1, 0, 1] }),
        _ => Ends::UNKNOWN,
    };
    let mut files = NoFiles;
    let mut time = Timestamp(0);
    for (to_server, piece) in &pieces {
        let direction = if *to_server { Direction::ToServer } else { Direction::ToClient };
        let mut output = Output::new(&mut files);
        time.0 += u64::from(piece.last().copied().unwrap_or(0)) * 100_000;
        if let Some(link) = card.link {
            (link.id)(piece);
        }
        let advance = parser.advance(&Input { time, ends, ..Input::new(direction, piece) }, &mut output);
        assert!(advance.consumed <= piece.len());
        for id in parser.transactions().range() {
            let Some(transaction) = parser.transactions().get(id) else { continue };
            for field in card.fields {
                (field.read)(transaction.as_any(), direction, 0);
            }
            let mut out = Vec::new();
            recorder.write(transaction, Purpose::Record, &mut Object::new(&mut out));
            assert!(std::str::from_utf8(&out).is_ok());
        }
    }
    for direction in Direction::BOTH {
        parser.close(direction, &mut Output::new(&mut files));
    }
});
