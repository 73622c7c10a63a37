//! EVE JSON: the stored form as it is.

use super::{Encoding, Facts, Settings};

pub(super) const ENCODING: Encoding =
    Encoding { name: "eve", doc: "EVE JSON, the stored form itself", media_type: "application/json", write };

fn write(facts: &Facts<'_>, _: &Settings, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(facts.record.line().as_bytes());
    true
}
