//! The programs start on a processor without AVX2 (here an emulated Nehalem of 2008, which has no
//! AVX either). The analyzers' part is `works_without_avx2` of `analyzers/face-detect`.

use std::process::Command;
use vultus_tests::executable;

#[test]
fn node_starts_without_avx2() {
    let emulated = |program: &str, argument: &str| {
        let mut command = Command::new("qemu-x86_64");
        command.args(["-cpu", "Nehalem"]).arg(executable(program)).arg(argument).output()
    };
    let version = emulated("vultus", "--version");
    let version = version.expect("qemu-user, which `make setup` installs, starts");
    assert!(version.stdout.starts_with(b"vultus "), "{version:?}");
    let printed = emulated("vultus", "help").expect("it was there before");
    assert!(printed.status.success(), "{printed:?}");
    // The node starts the worker with two numbers; without them it says so.
    let worker = emulated("vultus-worker", "none").expect("it was there before");
    assert_eq!(worker.status.code(), Some(2), "{worker:?}");
}
