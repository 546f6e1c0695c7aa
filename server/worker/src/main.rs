//! The worker process. The node starts it as `vultus-worker <descriptor of the socket> <process id
//! of the node>`; `vultus plugin check` starts it as `vultus-worker conform`, `vultus models
//! import` as `vultus-worker try`.

use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: vultus_worker::EndsWhenExhausted = vultus_worker::EndsWhenExhausted;

fn main() -> ExitCode {
    let done: Result<(), Box<dyn std::error::Error>> = match std::env::args().nth(1).as_deref() {
        Some(vultus_worker::conformance::ARGUMENT) => {
            vultus_worker::conformance::run().map_err(Into::into)
        }
        Some(vultus_worker::trial::ARGUMENT) => vultus_worker::trial::run().map_err(Into::into),
        _ => vultus_worker::run(std::env::args().skip(1)).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If this fails as well, there is no other place to report it.
            let _ = writeln!(std::io::stderr(), "vultus-worker: {error}");
            ExitCode::from(2)
        }
    }
}
