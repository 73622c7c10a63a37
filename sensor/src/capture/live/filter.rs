//! Filters in tcpdump's language, which libpcap compiles: for the interface itself, as the kernel keeps VLAN tags beside the packet.

use pcap::{Activated, Capture};

use super::super::CaptureError;
use super::system::Statement;

/// The program of an expression, for packets of an interface of which so many bytes are taken.
pub(super) fn compile(name: &str, expression: &str, snap_bytes: u32) -> Result<Vec<Statement>, CaptureError> {
    let snap = i32::try_from(snap_bytes).unwrap_or(i32::MAX);
    // Only what is open knows where its tags are. It is closed at once. Where an interface is not there yet, the loopback is like it.
    let open = |name: &str| {
        let capture = Capture::from_device(name)?.snaplen(snap).buffer_size(BUFFER_BYTES).promisc(false);
        capture.open()
    };
    match open(name).or_else(|_| open(LOOPBACK)) {
        Ok(open) => statements(name, expression, &open),
        Err(cause) => Err(CaptureError::Interface { name: name.to_owned(), cause: cause.to_string() }),
    }
}

fn statements<T: Activated>(name: &str, expression: &str, open: &Capture<T>) -> Result<Vec<Statement>, CaptureError> {
    let refused = |cause: pcap::Error| CaptureError::Filter { name: name.to_owned(), cause };
    let program = open.compile(expression, true).map_err(refused)?;
    // An instruction shows its four numbers in no other way.
    let statement = |text: String| {
        let mut numbers = text.split(' ').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        let (code, jt, jf, k) = (next()?, next()?, next()?, next()?);
        Some((u16::try_from(code).ok()?, u8::try_from(jt).ok()?, u8::try_from(jf).ok()?, k))
    };
    let read = program.get_instructions().iter().map(|instruction| statement(instruction.to_string())).collect();
    let unread = || pcap::Error::PcapError("its program cannot be read".into());
    Option::ok_or_else(read, unread).map_err(refused)
}

const LOOPBACK: &str = "lo";
/// Nothing is captured with what is only asked.
const BUFFER_BYTES: i32 = 1 << 16;

#[cfg(test)]
mod tests {
    use pcap::Linktype;

    use super::*;

    #[test]
    fn an_expression_becomes_a_program_or_is_told() {
        let dead = Capture::dead(Linktype::ETHERNET).unwrap();
        let program = statements("eth1", "arp", &dead).unwrap();
        assert_eq!(program[..2], [(0x28, 0, 0, 12), (0x15, 0, 1, 0x0806)]);
        assert!(statements("eth1", "port 80 or vlan", &dead).is_ok());
        let error = statements("eth1", "no such words", &dead).unwrap_err();
        assert!(error.to_string().starts_with("eth1: the capture filter cannot be used: "), "{error}");
    }
}
