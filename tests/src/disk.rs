//! A small disk for the data of one node: a tmpfs that only the node and this test see, because it
//! is mounted in its own mount namespace.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The mounted disk. Dropping it unmounts it.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    /// Keeps the namespace until its standard input ends.
    holder: Child,
    needs_user: bool,
    mounted_at: PathBuf,
}

/// Mounts $1 bytes at $2, says so, and waits.
const MOUNT: &str = "mount -t tmpfs -o size=$1,mode=700 disk \"$2\" && echo mounted && exec cat";

impl SmallDisk {
    /// Mounts a disk of this size at a folder.
    pub(crate) fn mount(folder: &Path, bytes: u64) -> Self {
        // Only the superuser may mount without a user namespace.
        let needs_user = !rustix::process::geteuid().is_root();
        let mut command = Command::new("unshare");
        if needs_user {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--", "sh", "-c", MOUNT, "sh", &bytes.to_string()]).arg(folder);
        let mut holder = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare can be started");
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut said).expect("its output can be read");
        assert_eq!(said.trim(), "mounted", "a tmpfs can be mounted in a namespace");
        Self { holder, needs_user, mounted_at: folder.to_owned() }
    }

    /// A command that runs where the disk is mounted, under the same process id.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.holder.id().to_string()]);
        if self.needs_user {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// The disk as this test sees it.
    pub(crate) fn path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.mounted_at.strip_prefix("/").expect("it is mounted at a whole path"))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
