//! The worker process. Started by the node only: `vultus-worker <descriptor of the socket> <process
//! id of the node>`; and by `vultus plugin check`, as `vultus-worker conform`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done: Result<(), Box<dyn std::error::Error>> = match std::env::args().nth(1).as_deref() {
        Some(vultus_worker::conformance::ARGUMENT) => {
            vultus_worker::conformance::run().map_err(Into::into)
        }
        _ => vultus_worker::run(std::env::args().skip(1)).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody else to tell when this fails, too.
            let _ = writeln!(std::io::stderr(), "vultus-worker: {error}");
            ExitCode::from(2)
        }
    }
}
