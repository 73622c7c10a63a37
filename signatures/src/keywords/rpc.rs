//! `rpc`: the head of a call by ONC RPC (RFC 5531, section 9), over UDP or, behind a record mark, over TCP.

use tapwire_parsers::link::Layer4;

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::condition::{PacketCondition, PacketView};
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "rpc",
    aliases: &[],
    doc: "Holds when a packet begins with a call by Sun's RPC of a program, and of a version and procedure where they are named; `*` stands for any.",
    examples: &["rpc:100000,2,3", "rpc:100000,*,4", "rpc:100000"],
    parse,
}];

/// The mark of a record over TCP (RFC 5531, section 11).
const MARK_BYTES: usize = 4;
const CALL: u32 = 0;
const RPC_VERSION: u32 = 2;

#[derive(Debug)]
struct Call {
    program: u32,
    version: Option<u32>,
    procedure: Option<u32>,
}

impl PacketCondition for Call {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        let start = match view.packet.layer4 {
            Layer4::Tcp(_) => MARK_BYTES,
            Layer4::Udp(_) => 0,
            _ => return false,
        };
        let Some(head) = view.packet.payload.get(start..).and_then(<[u8]>::first_chunk::<24>) else { return false };
        let mut words = head.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).skip(1);
        let mut is = |wanted: Option<u32>| words.next().is_some_and(|word| wanted.is_none_or(|wanted| wanted == word));
        is(Some(CALL)) && is(Some(RPC_VERSION)) && is(Some(self.program)) && is(self.version) && is(self.procedure)
    }
}

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "a program, then its version and procedure, such as `100000,2,*`";
    let mut parts = argument.required()?.split(',').map(str::trim);
    let mut number = || -> Result<Option<u32>, Fault> {
        match parts.next() {
            None | Some("*") => Ok(None),
            Some(text) => {
                text.parse().map(Some).map_err(|_| argument.fault(format!("`{text}` is no number of RPC"), hint))
            }
        }
    };
    let (program, version, procedure) = (number()?, number()?, number()?);
    let program = program.ok_or_else(|| argument.fault("the program is missing", hint))?;
    if parts.next().is_some() {
        return Err(argument.fault("there is more than a program, a version and a procedure", hint));
    }
    builder.rule.packet.push(Box::new(Call { program, version, procedure }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use tapwire_parsers::link::{Packet, Timestamp, Udp};

    use super::*;

    #[test]
    fn a_call_is_known_by_program_version_and_procedure() {
        let payload: Vec<u8> = [7_u32, 0, 2, 100_000, 2, 3].iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut packet = Packet::new(0, Timestamp(0), 0, &[], 0);
        packet.payload = &payload;
        packet.layer4 = Layer4::Udp(Udp { source_port: 1, destination_port: 111, header: &[], checksum_ok: true });
        for (program, version, procedure, holds) in [
            (100_000, Some(2), Some(3), true),
            (100_000, None, Some(3), true),
            (100_000, None, None, true),
            (100_000, Some(3), None, false),
            (100_003, None, None, false),
        ] {
            let view = PacketView { packet: &packet, flow: None, stream_anomalies: &[], flow_anomalies: &[] };
            let call = Call { program, version, procedure };
            assert_eq!(call.holds(&view), holds, "{call:?}");
        }
    }
}
