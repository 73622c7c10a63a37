//! The program: does what its command line says.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tapwire::start::cli::run())
}
