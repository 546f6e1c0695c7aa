//! The worker process. Started by the node only: `vultus-worker <descriptor of the socket> <process id of the node>`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match vultus_worker::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody else to tell when this fails, too.
            let _ = writeln!(std::io::stderr(), "vultus-worker: {error}");
            ExitCode::from(2)
        }
    }
}
