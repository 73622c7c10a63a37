//! Rule text to matches.
