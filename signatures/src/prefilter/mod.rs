//! Prefilter.
