//! Counts which bytes follow which in the payloads of captures, and writes the table by which the prefilter knows what is rare.
//!
//!     cargo run --release -p tapwire-benches --bin pairs -- OUT CAPTURE...
//!
//! The table is 256 + 65,536 bytes: how rare each byte is, then each pair (first byte, second byte), in eighths of a bit; ASCII case is
//! folded. Only counts leave the captures, no content. Of one packet 600 bytes are counted, so that transfers do not drown the rest.

use std::path::PathBuf;

use tapwire::capture::batch::Batch;
use tapwire::capture::files::Files;
use tapwire::capture::{More, Source};
use tapwire_parsers::link::Packet;

const COUNTED_BYTES: usize = 600;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().ok_or("usage: pairs OUT CAPTURE...")?;
    let captures: Vec<PathBuf> = arguments.collect();
    let (mut single, mut pair) = (vec![0_u64; 256], vec![0_u64; 1 << 16]);
    let (mut source, mut batch) = (Files::new(&captures), Batch::new());
    while let Ok(More::Yes) = source.next_batch(&mut batch) {
        for frame in &batch.frames {
            let data = batch.data(frame);
            let packet = Packet::decode(frame.number, frame.time, frame.link_type, data, frame.wire_len, false);
            let payload: Vec<u8> = packet.payload.iter().take(COUNTED_BYTES).map(u8::to_ascii_lowercase).collect();
            for two in payload.windows(2) {
                if let &[a, b] = two {
                    single.get_mut(usize::from(a)).into_iter().for_each(|count| *count += 1);
                    pair.get_mut(usize::from(a) << 8 | usize::from(b)).into_iter().for_each(|count| *count += 1);
                }
            }
        }
        batch.clear();
    }
    // A pair that was never seen is as rare as half of one that was seen once.
    let total: u64 = single.iter().sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "it is clamped to a byte"
    )]
    let rarity = |count: &u64| (8.0 * (total.max(1) as f64 / (*count as f64).max(0.5)).log2()).clamp(0.0, 255.0) as u8;
    std::fs::write(out, single.iter().chain(&pair).map(rarity).collect::<Vec<u8>>())?;
    Ok(())
}
