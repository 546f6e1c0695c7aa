//! The `vultus` executable: parses the command line and calls [`vultus::cli`].

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match vultus::cli::Arguments::try_parse() {
        Ok(arguments) => vultus::cli::run(arguments),
        // Clap's exit code for wrong arguments is 2, which here means DECLINED.
        Err(message) => {
            let _ = message.print();
            if message.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}
