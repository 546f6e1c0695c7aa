//! Starts real MongoDB servers for tests: replica sets of `mongod` processes on free loopback
//! ports.
//!
//! A replica set that all tests of a program share ends with the program: the kernel kills its
//! processes by the parent-death signal. Any other set ends when it is dropped.

use crate::place::workspace_root;
use crate::process::wait_until;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{ClientOptions, ServerAddress};
use parking_lot::Mutex;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// Name of every replica set. The sets do not know of each other.
const NAME: &str = "rs0";
/// The database server, as installed by `make setup`.
const SERVER: &str = "tests/files/mongod";

/// A running replica set.
#[derive(Debug)]
pub struct ReplicaSet {
    members: Vec<Member>,
    folder: PathBuf,
    /// Arguments of `mongod` that all members share.
    arguments: Vec<String>,
    /// User and password of the nodes, if the set requires authentication.
    login: Option<(&'static str, String)>,
    /// Process that deletes the folder after this program has ended.
    janitor: Child,
}

#[derive(Debug)]
struct Member {
    port: u16,
    data: PathBuf,
    child: Option<Child>,
}

impl ReplicaSet {
    /// The replica set that all tests of this program share, with data in memory. The first call
    /// starts it.
    pub fn shared(members: usize) -> &'static Self {
        static SETS: [OnceLock<ReplicaSet>; 4] = [const { OnceLock::new() }; 4];
        SETS[members].get_or_init(|| {
            let runtime = || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
            };
            // On a new thread, as the caller's thread may be in an async runtime.
            let started =
                std::thread::spawn(move || runtime().block_on(Self::start_in(memory(), members)));
            started.join().expect("the replica set starts")
        })
    }

    /// Starts a replica set with data on disk.
    pub async fn start(members: usize) -> Self {
        Self::start_in(std::env::temp_dir(), members).await
    }

    async fn start_in(parent: PathBuf, members: usize) -> Self {
        let mut set = Self::prepare(parent, members);
        set.arguments = vec!["--replSet".to_owned(), NAME.to_owned()];
        set.launch_all().await;
        set.initiate().await;
        set.settled().await;
        set
    }

    /// Starts a replica set with data on disk and authentication: a key file for the members, and a
    /// user and password for the nodes.
    pub async fn start_with_login(members: usize) -> Self {
        let mut set = Self::prepare(std::env::temp_dir(), members);
        let key = set.folder.join("replica-set.key");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&key)
            .expect("a key file");
        std::io::Write::write_all(&mut file, b"only for loopback only for loopback")
            .expect("the key is written");
        let password = format!("{}-{}", std::process::id(), set.members[0].port);
        let key = key.display().to_string();
        set.arguments = ["--replSet", NAME, "--keyFile", &key].map(str::to_owned).to_vec();
        set.launch_all().await;
        set.initiate().await;
        // Localhost exception: without credentials, only a user administrator can be created.
        let first = doc! { "createUser": "root", "pwd": &password, "roles": ["root"] };
        wait_until("the first user to be created", || async {
            for member in &set.members {
                if member.command(first.clone()).await.is_some() {
                    return Some(());
                }
            }
            None
        })
        .await;
        set.login = Some(("root", password.clone()));
        let roles = vec![doc! { "role": "readWrite", "db": "vultus" }];
        let user = doc! { "createUser": "vultus", "pwd": &password, "roles": roles };
        let admin = set.client().await.database("admin");
        admin.run_command(user).await.expect("the nodes' user is created");
        set.login = Some(("vultus", password));
        set
    }

    async fn launch_all(&mut self) {
        for member in &mut self.members {
            member.launch(&self.arguments);
        }
        self.answering().await;
    }

    fn prepare(parent: PathBuf, members: usize) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = parent.join(format!("vultus-mongod-{}-{number}", std::process::id()));
        let ports = free_ports(members);
        let member = |port: u16| Member { port, data: folder.join(port.to_string()), child: None };
        let janitor = janitor(&folder);
        let members = ports.into_iter().map(member).collect();
        let set = Self { members, folder, arguments: Vec::new(), login: None, janitor };
        for member in &set.members {
            std::fs::create_dir_all(&member.data).expect("a folder for the data of a member");
        }
        set
    }

    async fn answering(&self) {
        for member in &self.members {
            let log = member.log_path();
            wait_until(&format!("mongod to answer; its log is {}", log.display()), || {
                member.command(doc! { "ping": 1 })
            })
            .await;
        }
    }

    async fn initiate(&self) {
        let members: Vec<Document> = (0_i32..)
            .zip(&self.members)
            .map(|(id, member)| doc! { "_id": id, "host": format!("127.0.0.1:{}", member.port) })
            .collect();
        // Short timeouts make elections fast.
        let settings = doc! {
            "electionTimeoutMillis": 2000,
            "heartbeatIntervalMillis": 500,
            "heartbeatTimeoutSecs": 2,
        };
        let set = doc! { "_id": NAME, "version": 1, "members": members, "settings": settings };
        let initiated = self.members[0].command(doc! { "replSetInitiate": set }).await;
        initiated.expect("the replica set is initiated");
    }

    /// Waits for a primary that all running members follow. Returns its index.
    pub async fn settled(&self) -> usize {
        wait_until("a primary that all members follow", || async {
            let status = self.status().await?;
            let running = self.members.iter().filter(|member| member.child.is_some()).count();
            let states = status.get_array("members").ok()?.iter().filter_map(Bson::as_document);
            let states: Vec<(&str, &str)> = states
                .filter_map(|member| {
                    Some((member.get_str("name").ok()?, member.get_str("stateStr").ok()?))
                })
                .collect();
            let followed = states
                .iter()
                .filter(|(_, state)| matches!(*state, "PRIMARY" | "SECONDARY"))
                .count();
            let (primary, _) = states.iter().find(|(_, state)| *state == "PRIMARY")?;
            let primary = self
                .members
                .iter()
                .position(|member| primary.ends_with(&format!(":{}", member.port)))?;
            (followed == running).then_some(primary)
        })
        .await
    }

    async fn status(&self) -> Option<Document> {
        for member in self.members.iter().filter(|member| member.child.is_some()) {
            if let Some(status) = member.command(doc! { "replSetGetStatus": 1 }).await {
                return Some(status);
            }
        }
        None
    }

    /// URI of a database of the set.
    pub fn uri(&self, database: &str) -> String {
        let hosts: Vec<String> =
            self.members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
        let (login, source) = match &self.login {
            Some((user, password)) => (format!("{user}:{password}@"), "&authSource=admin"),
            None => (String::new(), ""),
        };
        format!("mongodb://{login}{}/{database}?replicaSet={NAME}{source}", hosts.join(","))
    }

    /// Connects to the set.
    pub async fn client(&self) -> Client {
        Client::with_uri_str(self.uri("admin")).await.expect("the URI is valid")
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Process id of a member.
    pub fn pid(&self, member: usize) -> u32 {
        self.members[member].child.as_ref().expect("the member runs").id()
    }

    /// Kills a member with SIGKILL.
    pub fn kill(&mut self, member: usize) {
        let mut child = self.members[member].child.take().expect("the member runs");
        child.kill().expect("a member can be killed");
        child.wait().expect("a killed member can be waited for");
    }

    /// Restarts a killed member on its data.
    pub fn restart(&mut self, member: usize) {
        self.members[member].launch(&self.arguments);
    }

    /// Makes the primary step down.
    pub async fn step_down(&self) {
        let primary = self.settled().await;
        // The primary may close the connection instead of answering. The caller asks for the new
        // one.
        let _ = self.members[primary]
            .command(doc! { "replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5 })
            .await;
    }
}

/// A MongoDB server outside any replica set.
#[derive(Debug)]
pub struct Standalone(ReplicaSet);

impl Standalone {
    /// Starts the server.
    pub async fn start() -> Self {
        let mut set = ReplicaSet::prepare(std::env::temp_dir(), 1);
        set.launch_all().await;
        Self(set)
    }

    /// URI of a database of the server.
    pub fn uri(&self, database: &str) -> String {
        format!("mongodb://127.0.0.1:{}/{database}", self.0.members[0].port)
    }
}

impl Drop for ReplicaSet {
    fn drop(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The end of its input tells the janitor to delete the folder; the servers are gone.
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

impl Member {
    fn launch(&mut self, more: &[String]) {
        let server = workspace_root().join(SERVER);
        assert!(server.exists(), "{SERVER} is missing: run `make setup`");
        // The kernel kills the server when this program ends, even by SIGKILL.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(server)
            .arg("--dbpath")
            .arg(&self.data)
            .args(["--port", &self.port.to_string(), "--bind_ip", "127.0.0.1", "--nounixsocket"])
            .args(more)
            .args(["--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"])
            .args(["--networkMessageCompressors", "disabled"])
            .args(["--setParameter", "ttlMonitorSleepSecs=2"])
            .args(["--setParameter", "enableTestCommands=1"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            // As docs/operating/cluster.md requires: a node that hangs in a transaction must not
            // hold its documents for longer than a lease.
            .args(["--setParameter", "transactionLifetimeLimitSeconds=5"])
            .arg("--logappend")
            .arg("--logpath")
            .arg(self.log_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(spawn_from_keeper(command));
    }

    fn log_path(&self) -> PathBuf {
        self.data.join("mongod.log")
    }

    /// Runs a command on this member only. Returns `None` if it fails or times out.
    async fn command(&self, command: Document) -> Option<Document> {
        let soon = Duration::from_secs(10);
        let options = ClientOptions::builder()
            .hosts(vec![ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(self.port) }])
            .direct_connection(true)
            .server_selection_timeout(Duration::from_millis(500))
            .build();
        let client = Client::with_options(options).expect("the options are valid");
        let answer =
            tokio::time::timeout(soon, client.database("admin").run_command(command)).await;
        client.shutdown().immediate(true).await;
        answer.ok()?.ok()
    }
}

/// Starts a process from a thread that lives as long as the program. The kernel sends the
/// parent-death signal when the thread ends that started the process.
fn spawn_from_keeper(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static KEEPER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (sender, answer) = mpsc::channel();
    keeper.lock().send((command, sender)).expect("the keeper thread never ends");
    answer.recv().expect("the keeper thread answers").expect("mongod can be started by setpriv")
}

/// Free ports. All listeners are open at the same time, so the ports differ.
fn free_ports(number: usize) -> Vec<u16> {
    let held: Vec<TcpListener> =
        (0..number).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter()
        .map(|listener| listener.local_addr().expect("a listener has an address").port())
        .collect()
}

/// A folder in memory if the machine has one, else the folder of temporary files.
fn memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}

/// Starts a shell that waits until its input ends, at the latest when this program ends, and then
/// deletes the folder. It retries while a server still writes to the folder.
fn janitor(folder: &Path) -> Child {
    let script = "cat >/dev/null; until rm -rf \"$1\" 2>/dev/null; do sleep 0.1; done";
    let mut janitor = Command::new("sh");
    janitor
        .args(["-c", script, "sh"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    janitor.spawn().expect("a shell can be started")
}
