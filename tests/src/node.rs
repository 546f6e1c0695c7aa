//! Starts a node for one test, on port 0 with a fresh data folder. Dropping the node stops it and
//! checks that none of its processes is left running.

use crate::client::Client;
use crate::disk::SmallDisk;
use crate::place::{executable, workspace_root};
use crate::process::{children_of, is_alive, poll, wait_until};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Password of all users that tests create.
pub const PASSWORD: &str = "correct horse battery staple";
/// Maximum time from SIGTERM until the node has ended.
const STOP_LIMIT: Duration = Duration::from_secs(45);
/// Maximum time from the end of a node until its workers are gone.
const GONE_LIMIT: Duration = Duration::from_secs(10);

/// Options of a node.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// TOML appended to the configuration.
    pub config: String,
    /// Third-party plugin files, copied into the node's plugin folder.
    pub plugins: Vec<PathBuf>,
    /// Additional arguments of `vultus serve`.
    pub arguments: Vec<String>,
    /// Blob folder shared by several nodes.
    pub blobs: Option<PathBuf>,
    /// Environment variables of the process.
    pub environment: Vec<(String, String)>,
    /// Hard limit of open descriptors.
    pub descriptors: Option<u64>,
    /// Size of a separate disk for the data folder.
    pub disk_bytes: Option<u64>,
    /// Zip file with what the data folder has before the first start.
    pub data: Option<PathBuf>,
}

/// A running node. Dropping it stops it and fails the test if anything is left running.
#[derive(Debug)]
pub struct Node {
    child: Option<Child>,
    /// Before the folder, so that it is unmounted first.
    disk: Option<SmallDisk>,
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    descriptors: Option<u64>,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    email: String,
    password: String,
}

impl Node {
    /// Starts a node with the default configuration.
    pub async fn start() -> Self {
        Self::start_with(NodeOptions::default()).await
    }

    /// Starts a node with options.
    pub async fn start_with(options: NodeOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).expect("the plugin folder can be made");
        for file in &options.plugins {
            let name = file.file_name().expect("a plugin has a file name");
            std::fs::copy(file, plugins.join(name)).expect("a plugin can be copied");
        }
        if let Some(blobs) = &options.blobs {
            std::fs::create_dir_all(blobs).expect("the blob folder can be made");
            std::fs::create_dir(folder.path().join("data")).expect("the data folder can be made");
            std::os::unix::fs::symlink(blobs, folder.path().join("data/blobs"))
                .expect("a link can be made");
        }
        if let Some(data) = &options.data {
            crate::place::unpack(data, &folder.path().join("data"));
        }
        // In production the folder needs a lock file.
        let plugins_dir = match options.config.contains("mode = \"production\"") {
            true => String::new(),
            false => format!("plugins_dir = {plugins:?}\n"),
        };
        let config = format!(
            "data_dir = {:?}\n{plugins_dir}models_dir = {:?}\nlisten = \"127.0.0.1:0\"\n{}",
            folder.path().join("data"),
            workspace_root().join("models"),
            options.config
        );
        std::fs::write(folder.path().join("vultus.toml"), config)
            .expect("the configuration can be written");
        let NodeOptions { arguments, environment, descriptors, disk_bytes, .. } = options;
        let disk = disk_bytes.map(|bytes| {
            let data = folder.path().join("data");
            std::fs::create_dir(&data).expect("the data folder can be made");
            SmallDisk::mount(&data, bytes)
        });
        let mut node = Self {
            child: None,
            disk,
            folder,
            arguments,
            environment,
            descriptors,
            url: String::new(),
            email: String::new(),
            password: String::new(),
        };
        node.launch().await;
        node
    }

    /// Starts the process on the node's data folder and waits until it is ready.
    pub async fn launch(&mut self) {
        assert!(self.child.is_none(), "the node is already running");
        // reqwest needs a TLS provider even for plain HTTP. This fails if one is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // `prlimit` and `nsenter` of util-linux become the node: the process id stays.
        let program = executable("vultus");
        let mut command = match (&self.disk, self.descriptors) {
            (Some(disk), _) => disk.command(&program),
            (None, None) => Command::new(program),
            (None, Some(most)) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={most}")).arg(program);
                command
            }
        };
        let mut child = command
            .arg("--config")
            .arg(self.folder.path().join("vultus.toml"))
            .arg("serve")
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            // A spare worker for each node would only cost start-up time in most tests.
            .envs((!self.config_names("workers.spare")).then_some(("VULTUS_WORKERS_SPARE", "0")))
            .envs(std::env::var("VULTUS_TEST_LOG").map(|level| ("VULTUS_LOG_LEVEL", level)))
            .stdout(Stdio::piped())
            .stderr(
                std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(self.log_path())
                    .expect("the log can be opened"),
            )
            .spawn()
            .expect("the node can be started");
        let stdout = child.stdout.take().expect("stdout is piped");
        self.child = Some(child);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        self.read_announcement(&lines);
        let url = self.url.clone();
        wait_until("the node to be ready", || {
            let url = format!("{url}/readyz");
            async move {
                reqwest::get(url)
                    .await
                    .ok()
                    .filter(|answer| answer.status().is_success())
                    .map(|_| ())
            }
        })
        .await;
    }

    fn read_announcement(&mut self, lines: &mpsc::Receiver<String>) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            let Ok(line) = lines.recv_timeout(Duration::from_millis(200)) else {
                let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
                assert!(
                    ended.is_none(),
                    "the node ended at start with {ended:?}; its log:\n{}",
                    self.log()
                );
                continue;
            };
            if let Some(rest) = line.strip_prefix("First administrator: ") {
                let mut words = rest.split_whitespace();
                let email = words.next().expect("the announcement names the login");
                let password = words.nth(1).expect("the announcement names the password");
                (self.email, self.password) = (email.to_owned(), password.to_owned());
            }
            if let Some(url) = line.strip_prefix("Vultus is ready at ") {
                url.trim_end_matches('/').clone_into(&mut self.url);
                return;
            }
        }
        panic!("the node announced no address; its log:\n{}", self.log());
    }

    fn config_names(&self, key: &str) -> bool {
        std::fs::read_to_string(self.config_file()).is_ok_and(|config| config.contains(key))
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("node.log")
    }

    /// The node's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The node's data folder.
    pub fn data(&self) -> PathBuf {
        match &self.disk {
            Some(disk) => disk.path(),
            None => self.folder.path().join("data"),
        }
    }

    /// The node's plugin folder.
    pub fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    /// A folder for the test's own files.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// The node's configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("vultus.toml")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the node runs").id()
    }

    /// The first administrator's e-mail and password, as announced at the first start.
    pub fn administrator(&self) -> (&str, &str) {
        (&self.email, &self.password)
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url)
    }

    /// Logs in as the first administrator.
    pub async fn client(&self) -> Client {
        Client::new(&self.url).login(&self.email, &self.password).await
    }

    /// Creates a user with the command line and logs in as that user.
    pub async fn client_as(&self, email: &str, role: &str) -> Client {
        self.create_user(email, &["--role", role]).await
    }

    /// Creates a company with one user and logs in as that user.
    pub async fn client_of_company(&self, company: &str, email: &str, role: &str) -> Client {
        let added = self.command(&["company", "add", "--name", company], "");
        let id = added.trim().rsplit(' ').next().expect("the output ends with the id");
        self.create_user(email, &["--role", role, "--company", id]).await
    }

    async fn create_user(&self, email: &str, options: &[&str]) -> Client {
        self.command(
            &[&["user", "add", "--email", email, "--password-stdin"], options].concat(),
            PASSWORD,
        );
        self.anonymous().login(email, PASSWORD).await
    }

    /// Runs a command of the command line on the node's data and returns its output.
    pub fn command(&self, arguments: &[&str], input: &str) -> String {
        let mut child = Command::new(executable("vultus"))
            .arg("--config")
            .arg(self.config_file())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command line can be started");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        std::io::Write::write_all(&mut stdin, input.as_bytes())
            .expect("the command reads its input");
        drop(stdin);
        let output = child.wait_with_output().expect("the command can be waited for");
        assert!(output.status.success(), "{arguments:?} failed with {}", output.status);
        String::from_utf8(output.stdout).expect("the output is UTF-8")
    }

    /// Worker processes that load plugins: those that have ONNX Runtime mapped.
    pub fn workers(&self) -> Vec<u32> {
        let with_plugins = |pid: &u32| {
            crate::process::mapped_files(*pid).iter().any(|file| file.contains("libonnxruntime"))
        };
        children_of(self.pid()).into_iter().map(|(pid, _)| pid).filter(with_plugins).collect()
    }

    /// Kills the node with SIGKILL and waits until its workers are gone.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the node runs");
        let workers = children_of(child.id());
        child.kill().expect("the node can be killed");
        child.wait().expect("a killed node can be waited for");
        assert_gone(&workers);
    }

    /// Pauses the node with SIGSTOP. Its workers keep running.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Resumes a paused node with SIGCONT.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().expect("the node runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)
            .expect("the node can be signalled");
    }

    /// Whether `/readyz` answers with success.
    pub async fn is_ready(&self) -> bool {
        reqwest::get(format!("{}/readyz", self.url))
            .await
            .is_ok_and(|answer| answer.status().is_success())
    }

    /// Stops the node with SIGTERM and waits until it and its workers are gone.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let workers = children_of(child.id());
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .expect("the node can be signalled");
        let ended =
            poll(STOP_LIMIT, || child.try_wait().expect("the node can be waited for").map(drop));
        if ended.is_none() {
            child.kill().expect("the node can be killed");
            panic!(
                "the node did not end within {STOP_LIMIT:?} of SIGTERM; its log:\n{}",
                self.log()
            );
        }
        assert_gone(&workers);
    }

    /// Blob files of the node: media, thumbnails and artifacts.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.data().join("blobs")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    /// Temporary files of uploads.
    pub fn spooled_files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.data().join("spool"))
            .map(|dir| dir.flatten().map(|e| e.path()).collect())
            .unwrap_or_default()
    }
}

/// Waits until processes of a stopped node are gone. The kernel delivers the parent-death signal
/// with a delay.
fn assert_gone(processes: &[(u32, String)]) {
    let survivor = || processes.iter().find(|(pid, _)| is_alive(*pid));
    let all_gone = poll(GONE_LIMIT, || survivor().is_none().then_some(()));
    assert!(all_gone.is_some(), "a process outlived its node: {:?}", survivor());
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the node's log:\n{}", self.log());
            if let Some(mut child) = self.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
            return;
        }
        self.stop();
    }
}
