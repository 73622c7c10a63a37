//! Rule text to matches.
//!
//! A rule's life is the list of the folders: [`language`] reads its text with the help of [`keywords`], which fill it through a
//! [`builder`]; [`plan`] puts all rules into one immutable value, [`prefilter`] finds candidates in a packet or buffer with one scan for
//! all rules, [`verify`] decides, [`lua`] runs the scripts that rules name, and [`state`] is what rules remember of a flow. All of them
//! stand on [`rule`], which is what a rule says, typed, and on [`regex`]. It knows no thread, file or clock.
//!
//! Rooms import only those below them, which a test watches: `prefilter` and `regex`, `rule`, `state`, `plan`, `lua`, then `verify`
//! on one side, and `builder`, `keywords`, `language` on the other.

pub mod builder;
pub mod keywords;
pub mod language;
pub mod lua;
pub mod plan;
pub mod prefilter;
pub mod regex;
pub mod rule;
pub mod state;
pub mod verify;
