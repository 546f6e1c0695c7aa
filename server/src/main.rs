//! The `vultus` executable: parses the command line and hands over to [`vultus::cli`].

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    vultus::cli::run(vultus::cli::Arguments::parse())
}
