//! The `vultus` executable: parses the command line and hands over to [`vultus::cli`].

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match vultus::cli::Arguments::try_parse() {
        Ok(arguments) => vultus::cli::run(arguments),
        // Not clap's own exit code for mistakes, which is 2: that one means DECLINED.
        Err(message) => {
            let _ = message.print();
            if message.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}
