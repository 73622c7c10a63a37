//! EVE JSON: the stored form as it is, or as a profile has it.

use super::{Encoding, Facts, Settings};

pub(super) const ENCODING: Encoding = Encoding {
    name: "eve",
    doc: "EVE JSON, the stored form itself, or what a profile leaves of it",
    media_type: "application/json",
    write,
};

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    if settings.profile.is_all() {
        out.extend_from_slice(facts.record.line().as_bytes());
    } else {
        settings.profile.write(facts, out);
    }
    true
}
