//! Properties of the whole parser.
