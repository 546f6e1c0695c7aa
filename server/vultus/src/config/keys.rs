//! All configuration keys. Name, meaning, type, default and bounds of a key stand here and nowhere
//! else: the fields of [`Config`], the checks and `config.example.toml` are made from them.

use super::analyzers::AnalyzersConfig;
use super::connections::{ConnectionsConfig, ShareConfig};
use super::decisions::DecisionsConfig;
use super::kinds::{choice, flag, milliseconds, number, path, seconds, secret, text, whole};
use super::oidc::OidcConfig;
use super::places::{BlobsUrl, StoreUrl, without_password};
use super::queue::QueueConfig;
use super::request::{AnswerConfig, MemoryConfig, QueryConfig, RequestConfig};
use super::source::section;
use super::texts::{admin_email, http_url, listen_address, log_level, networks, origins};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;
use vultus_api::http::Network;
use vultus_worker_protocol::SandboxLevel;

const MEBI: i64 = 1 << 20;
const GIBI: i64 = 1 << 30;
const TEBI: i64 = 1 << 40;

section! {
    /// The validated configuration.
    pub struct Config {
        /// Folder with the database, the media and the secret keys. One node at a time uses it.
        data_dir: PathBuf = "./data", path();
        /// Address and port to listen on. Port 0 takes any free one.
        listen: SocketAddr = "127.0.0.1:8080", text(listen_address);
        /// In production GraphiQL, introspection and suggestions are off, `public_url` and a lock
        /// file of the plugins are required, and the workers' sandbox must be complete.
        mode: Mode = "development", choice(&[
            ("development", Mode::Development),
            ("production", Mode::Production),
        ]);
        /// Whether `liveness` asks for an operator where no analysis of its request answers a
        /// challenge (createChallenge). Passive liveness alone stops no replay or injection.
        require_challenge: bool = false, flag();
        /// The address that clients use, if it differs from `listen`. Links to media begin with it.
        /// Required in production: otherwise links begin with what the request names as its host.
        /// Example: `"https://vultus.example.org"`
        public_url: Option<Url>, text(http_url);
        /// Origins of other pages that may open websockets, separated by commas.
        /// Example: `"https://console.example.org, https://kiosk.example.org"`
        allowed_origins: Vec<String> = "", text(origins);
        /// Proxies before the server: addresses and networks, separated by commas. The address of a
        /// client is then the rightmost one in X-Forwarded-For, or else in Forwarded, that is not
        /// of a trusted proxy. Without it, all clients of a proxy share the limits of one address.
        /// Example: `"127.0.0.1, 10.0.0.0/8"`
        trusted_proxies: Vec<Network> = "", text(networks);
        /// Folder with third-party analyzers (.so files). The server's own are found beside the
        /// executable. In production its lock file plugins.lock must name every file that may be
        /// loaded; `vultus plugin lock` writes it.
        plugins_dir: Option<PathBuf>, path();
        /// Folder with the neural models (weights/ and runtime/). Unset: models or
        /// ../share/vultus/models beside the executable, then the models of the source tree it was
        /// built in, then ./models.
        models_dir: Option<PathBuf>, path();
        /// The ONNX Runtime library. Unset: runtime/libonnxruntime.so in the folder with the
        /// models.
        onnxruntime: Option<PathBuf>, path();
        /// Folder with the secret keys. Unset: keys in data_dir. All nodes of a cluster share it,
        /// or have copies.
        keys_dir: Option<PathBuf>, path();
        sections {
            /// Third-party analyzers.
            plugins: PluginsConfig,
            /// The store.
            store: StoreConfig,
            /// Files of media.
            blobs: BlobsConfig,
            /// Disk space.
            disk: DiskConfig,
            /// Logs.
            log: LogConfig,
            /// The first administrator.
            admin: AdminConfig,
            /// Lifetimes of tokens.
            tokens: TokensConfig,
            /// Password checks.
            passwords: PasswordsConfig,
            /// Limits on requests and media.
            limits: LimitsConfig,
            /// Worker processes.
            workers: WorkersConfig,
            /// The queue of analyses.
            queue: QueueConfig,
            /// Instant checks.
            check: CheckConfig,
            /// Decisions of people.
            decisions: DecisionsConfig,
            /// Deletion of unreferenced files.
            sweeper: SweeperConfig,
            /// The end of a node.
            shutdown: ShutdownConfig,
            /// Policies and settings of analyzers, by name.
            analyzers: AnalyzersConfig,
            /// Identity providers.
            oidc: OidcConfig,
        }
    }
}

/// Development or production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// GraphiQL, introspection and suggestions are on.
    Development,
    /// They are off.
    Production,
}

section! {
    /// Third-party analyzers.
    pub struct PluginsConfig {
        /// How often plugins_dir is scanned for new, replaced and removed analyzers, in seconds.
        /// 0: only at the start, and when the server gets SIGHUP.
        watch_seconds: Duration = 2, seconds(0..=3600);
    }
}

section! {
    /// The store.
    pub struct StoreConfig {
        /// The store. "sqlite" is the file vultus.db in data_dir. The nodes of a cluster share a
        /// MongoDB replica set (6.0 or newer):
        /// "mongodb://USER:PASSWORD@HOST1,HOST2,HOST3/vultus?replicaSet=rs0", with &tls=true for
        /// TLS; also "mongodb+srv://…".
        url: StoreUrl = "sqlite", text(StoreUrl::parse).shown_by(without_password);
    }
}

section! {
    /// Files of media.
    pub struct BlobsConfig {
        /// Where encrypted media are stored: "file" is the folder blobs in data_dir; "gridfs" is
        /// the store's MongoDB database; "s3://BUCKET/PREFIX?region=…" is a bucket of an
        /// S3-compatible storage, with &endpoint=https://… unless it is Amazon's, and
        /// &access_key_id=… . Without a key the role of the machine is used.
        url: BlobsUrl = "file", text(BlobsUrl::parse);
        /// Secret key of the bucket.
        s3_secret_key: Option<SecretString>, secret("VULTUS_S3_SECRET_KEY");
        /// File with the master key, which wraps all other keys of media: 32 bytes, or 64
        /// hexadecimal digits, readable by its owner only. Unset: master.key in keys_dir, created
        /// at the first start. Without the master key no media can be read: keep a copy elsewhere.
        master_key_file: Option<PathBuf>, path();
        /// The master key itself: 64 hexadecimal digits. Wins over master_key_file.
        master_key: Option<SecretString>, secret("VULTUS_MASTER_KEY");
        /// Memory for decrypted media that workers read, in bytes: this much for uploads, and this
        /// much for analyses.
        memory_bytes: u64 = 512 * MEBI, whole(MEBI..=TEBI);
    }
}

section! {
    /// Disk space.
    pub struct DiskConfig {
        /// Size of the file reserve in data_dir, in bytes. A full disk needs it for deletions. When
        /// less than a quarter of it is free besides, the node is not ready and stores nothing new.
        /// 0: no reserve.
        reserve_bytes: u64 = 64 * MEBI, whole(0..=TEBI);
    }
}

section! {
    /// Logs.
    pub struct LogConfig {
        /// Format of the logs on standard error.
        format: LogFormat = "text", choice(&[
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
        ]);
        /// What is logged: error, warn, info, debug, trace, or per part, such as
        /// "info,vultus_dispatch=debug". Libraries log at info at most: below it they log contents
        /// of requests.
        level: String = "info", text(log_level);
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

section! {
    /// The first administrator.
    pub struct AdminConfig {
        /// Login name of the first administrator. The server creates this user when it has no
        /// users, and prints the password once.
        email: String = "admin@localhost", text(admin_email);
    }
}

section! {
    /// Lifetimes of tokens.
    pub struct TokensConfig {
        /// Lifetime of an access token, in seconds.
        access_seconds: Duration = 900, seconds(5..=86_400);
        /// Lifetime of a refresh token, in seconds. Each use gives a new one.
        refresh_seconds: Duration = 2_592_000, seconds(60..=31_536_000);
        /// Maximum lifetime of a session, in seconds: however often its refresh token is exchanged,
        /// the user has to log in again after this time.
        session_seconds: Duration = 7_776_000, seconds(60..=315_360_000);
    }
}

section! {
    /// Password checks.
    pub struct PasswordsConfig {
        /// Concurrent password checks; each takes 19 MiB and one processor.
        concurrency: usize = 2, whole(1..=64);
    }
}

section! {
    /// Limits on requests.
    pub struct LimitsConfig {
        /// Maximum number of media in one request.
        media_per_request: usize = 16, whole(1..=256);
        /// Maximum number of analyses in one request.
        analyses_per_request: usize = 16, whole(1..=64);
        /// Maximum number of media in one folder.
        media_per_folder: usize = 200, whole(1..=10_000);
        /// Maximum number of analyses in one folder.
        analyses_per_folder: usize = 1_000, whole(1..=10_000);
        /// Maximum size of the metadata of a folder or a medium, and of the parameters of an
        /// analysis, in bytes of JSON.
        metadata_bytes: usize = 65_536, whole(2..=MEBI);
        /// Maximum number of JSON values in them, including nested ones; names of fields count.
        metadata_values: usize = 10_000, whole(1..=100_000);
        /// Maximum nesting of JSON in them.
        metadata_depth: usize = 16, whole(1..=64);
        /// Concurrent uploads of files; further ones are told to try again.
        uploads: usize = 64, whole(1..=10_000);
        /// Concurrent downloads of files; further ones are told to try again.
        downloads: usize = 128, whole(1..=10_000);
        /// Maximum size of what one company may store, in bytes: files of media, and metadata of
        /// media and folders. Requests at the same time may exceed it a little. 0: no limit.
        company_bytes: u64 = 0, whole(0..=1024 * TEBI);
        /// Maximum time that a request waits for its verdicts, in milliseconds.
        wait_ms: Duration = 30_000, milliseconds(0..=30_000);
        sections {
            /// Limits on connections.
            connections: ConnectionsConfig,
            /// Shares of what is limited for all together.
            share: ShareConfig,
            /// Limits on requests as a whole.
            request: RequestConfig,
            /// Limits on the memory of requests.
            memory: MemoryConfig,
            /// Limits on documents.
            query: QueryConfig,
            /// Limits on answers.
            answer: AnswerConfig,
            /// Limits on media.
            media: MediaLimits,
        }
    }
}

section! {
    /// Limits on media; workers read them as JSON under the same names.
    #[derive(serde::Serialize)]
    pub struct MediaLimits {
        /// Maximum size of a file, in bytes.
        max_bytes: u64 = 100 * MEBI, whole(1..=TEBI);
        /// Maximum size of a picture, in pixels.
        max_pixels: u64 = 51_000_000, whole(1..=1_000_000_000);
        /// Maximum size of a baseline JPEG, in pixels. One over `max_pixels` is decoded at half its
        /// width and height.
        max_reduced_pixels: u64 = 110_000_000, whole(1..=1_000_000_000);
        /// Maximum number of scans of a progressive JPEG.
        max_jpeg_scans: u64 = 32, whole(1..=1000);
        /// Maximum number of frames kept per medium.
        max_frames_stored: u64 = 24, whole(1..=24);
        /// Maximum length of a video, in seconds.
        max_seconds: f64 = 120.0, number(0.1..=36_000.0);
        /// Maximum length of the longer side of a video, in pixels.
        max_video_side: u64 = 4096, whole(16..=16_384);
        /// Maximum mean frame rate of a video, in frames per second.
        max_frame_rate: f64 = 240.0, number(1.0..=100_000.0);
        /// Maximum number of pixels that decoding the sampled frames of a video may touch. A
        /// thousand million take about 3 s with H.264.
        max_video_pixels: u64 = 8_000_000_000_i64, whole(1..=TEBI);
        /// Maximum number of entries of a shot set's ZIP.
        max_zip_entries: u64 = 200, whole(1..=100_000);
        /// Maximum size of all entries of a ZIP together after inflation, in bytes.
        max_inflated_bytes: u64 = 256 * MEBI, whole(1..=TEBI);
        /// Maximum ratio of inflated to compressed size of one ZIP entry.
        max_ratio: u64 = 100, whole(1..=100_000);
        /// Maximum size of all pictures of a shot set together, in pixels.
        max_set_pixels: u64 = 150_000_000, whole(1..=TEBI);
        /// Maximum length of the longer side of a kept frame, in pixels; larger frames are scaled
        /// down.
        max_stored_side: u64 = 4096, whole(64..=16_384);
        /// Memory for the decoded frames of one medium, in bytes; frames are scaled down to fit.
        frame_bytes: u64 = 96 * MEBI, whole(MEBI..=TEBI);
    }
}

section! {
    /// Worker processes.
    pub struct WorkersConfig {
        /// Worker processes that judge. 0: one per processor.
        count: usize = 0, whole(0..=1024);
        /// Further worker processes that judge only for companies with no run in progress, so that
        /// these need not wait for the end of other companies' runs.
        spare: usize = 1, whole(0..=64);
        /// Worker processes that examine uploads. 0: one per four processors, at least two.
        probe_count: usize = 0, whole(0..=256);
        /// Threads of one inference.
        threads: u32 = 1, whole(1..=64);
        /// Maximum address space of one worker, in bytes.
        memory_bytes: u64 = 4 * GIBI, whole(512 * MEBI..=TEBI);
        /// Maximum processor time of one run, in seconds.
        cpu_seconds: u64 = 120, whole(1..=3600);
        /// Analyses that wait for a removed plugin fail after this time, in seconds.
        removed_seconds: Duration = 900, seconds(1..=604_800);
        /// What to do if the kernel lacks parts of the workers' sandbox (namespaces, Landlock,
        /// seccomp): with required the server does not start; with best_effort it starts, and says
        /// in its log and in `serverInfo` what is missing. Unset: required in production,
        /// best_effort in development.
        sandbox: Option<SandboxLevel>, choice(&[
            ("required", SandboxLevel::Required),
            ("best_effort", SandboxLevel::BestEffort),
        ]);
        /// Video decoding: exact, or fast (leaves out the deblocking filter; scores change a
        /// little).
        decoder: Decoder = "exact", choice(&[
            ("exact", Decoder::Exact),
            ("fast", Decoder::Fast),
        ]);
    }
}

/// Video decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// Bit-exact.
    Exact,
    /// Without the deblocking filter.
    Fast,
}

section! {
    /// Instant checks.
    pub struct CheckConfig {
        /// Concurrent instant checks; further ones are told to try again.
        concurrent: usize = 8, whole(1..=1024);
        /// Memory for the media of all instant checks together, in bytes.
        memory_bytes: u64 = 256 * MEBI, whole(MEBI..=TEBI);
    }
}

section! {
    /// Deletion of unreferenced files.
    pub struct SweeperConfig {
        /// How often unreferenced media files are looked for, in seconds. They are deleted once
        /// they are 10 minutes old.
        interval_seconds: Duration = 60, seconds(1..=86_400);
    }
}

section! {
    /// The end of a node.
    pub struct ShutdownConfig {
        /// How long running analyses may continue after the signal to stop, in seconds.
        drain_seconds: Duration = 30, seconds(0..=300);
    }
}
