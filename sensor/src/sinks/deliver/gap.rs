//! `gap`: what a sink did not get and nobody has told of yet, said to its receiver in the place where it is missing. Of what
//! retention takes away the log has a record itself.

use crate::capture::clock;
use crate::records::header::Clock;
use crate::records::loss::{self, Loss, Whose};
use crate::sinks::log::cursor::{Gap, Missing};

/// Writes a record, without an end of line; nothing where the log has one.
pub(super) fn write(out: &mut Vec<u8>, gap: &Gap, sink: &str, clock: &mut Clock) {
    let reason = match gap.reason {
        Missing::Removed => return,
        Missing::Unknown => "a part of the log is gone",
        Missing::Damaged => "a part of the log is damaged",
    };
    let records: Vec<_> = gap.records.by_name().collect();
    let (from, to) = gap.times;
    let loss = Loss { whose: Whose::Sink, of: sink, from, to, told: clock::now(), reason, records: &records };
    loss::write(out, &loss, true, clock);
    if out.ends_with(b"\n") {
        out.pop();
    }
}
