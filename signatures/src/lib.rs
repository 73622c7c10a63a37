//! Rule text to matches.
//!
//! A rule's life is the list of the folders: [`language`] reads its text with the help of [`keywords`], [`plan`] puts all rules into
//! one immutable value, [`prefilter`] finds candidates in a packet or buffer with one scan for all rules, [`verify`] decides, [`lua`]
//! runs the scripts that rules name, and [`state`] is what rules remember of a flow. It knows no thread, file or clock.

pub mod keywords;
pub mod language;
pub mod lua;
pub mod plan;
pub mod prefilter;
pub mod regex;
pub mod state;
pub mod verify;
