//! Who follows what was found without writing records: scripts that are outputs.

pub mod scripts;
