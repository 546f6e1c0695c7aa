//! Configuration: one TOML file and the environment, turned into a validated value in two steps.
//! Pure: reading the file and the environment is done in [`sources`]; what is left open here is
//! looked for by [`vultus_pools::deployment`].

mod keys;
mod request;
pub mod sources;
mod values;

pub use keys::example;
pub use request::{AnswerConfig, QueryConfig, RequestConfig};
pub use values::Problem;

use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;
use url::Url;
use values::Values;
use vultus_worker_protocol::SandboxLevel;

/// The validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder with the database, the media and the keys.
    pub data_dir: PathBuf,
    /// Folder with the secret keys; unset: `keys` in the data folder.
    pub keys_dir: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Development or production.
    pub mode: Mode,
    /// The address that clients use.
    pub public_url: Option<Url>,
    /// Origins of other pages that may open websockets.
    pub allowed_origins: Vec<String>,
    /// Analyzers of third parties.
    pub plugins_dir: Option<PathBuf>,
    /// How often the plugin folder is looked at; none: only at the start and on demand.
    pub plugins_watch: Option<Duration>,
    /// The models; unset: they are looked for.
    pub models_dir: Option<PathBuf>,
    /// The ONNX Runtime library; unset: it is looked for.
    pub onnxruntime: Option<PathBuf>,
    /// The store.
    pub store: StoreConfig,
    /// Files of media.
    pub blobs: BlobsConfig,
    /// Logs.
    pub log: LogConfig,
    /// Login name of the first administrator.
    pub admin_email: String,
    /// Life of an access token.
    pub access_lifetime: Duration,
    /// Life of a refresh token.
    pub refresh_lifetime: Duration,
    /// Password checks at the same time.
    pub password_concurrency: usize,
    /// Limits on requests and media.
    pub limits: LimitsConfig,
    /// Worker processes.
    pub workers: WorkersConfig,
    /// Instant checks.
    pub check: CheckConfig,
    /// Per analyzer, by name.
    pub analyzers: BTreeMap<String, AnalyzerConfig>,
    /// How often files that nothing references are looked for.
    pub sweep_interval: Duration,
    /// How long runs may go on after the signal to stop.
    pub drain: Duration,
    effective: BTreeMap<&'static str, Value>,
}

/// Development or production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// GraphiQL, introspection and suggestions are on.
    Development,
    /// They are off.
    Production,
}

/// The store.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// SQLite in the data folder: one node.
    Sqlite,
    /// The MongoDB replica set of this URI, which may hold a password: any number of nodes.
    Mongo(SecretString),
}

/// Files of media.
#[derive(Debug, Clone)]
pub struct BlobsConfig {
    /// Where they lie.
    pub place: BlobsPlace,
    /// The secret key of the bucket, from the environment.
    pub secret_access_key: Option<SecretString>,
    /// File with the master key; unset: in the data folder.
    pub master_key_file: Option<PathBuf>,
    /// The master key itself, from the environment.
    pub master_key: Option<SecretString>,
    /// Memory for decrypted uploads, and as much for the media of runs, in bytes.
    pub memory_bytes: u64,
}

/// Where files of media lie.
#[derive(Debug, Clone)]
pub enum BlobsPlace {
    /// In the data folder.
    File,
    /// In the store's MongoDB database, of this URI.
    GridFs(SecretString),
    /// In a bucket.
    Bucket(BucketConfig),
}

/// A bucket of an S3-compatible storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Its name.
    pub name: String,
    /// Keys begin with this; may be empty.
    pub prefix: String,
    /// Region.
    pub region: String,
    /// Address of the storage; absent: Amazon's of the region.
    pub endpoint: Option<String>,
    /// Id of the access key.
    pub access_key_id: Option<String>,
}

/// Logs.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// How they are written.
    pub format: LogFormat,
    /// What is written, in the syntax of tracing's filter directives.
    pub level: String,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Limits on requests and media.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Most media in one request.
    pub media_per_request: usize,
    /// Most analyses in one request.
    pub analyses_per_request: usize,
    /// Most media in one folder.
    pub media_per_folder: usize,
    /// Largest metadata, in bytes of JSON.
    pub metadata_bytes: usize,
    /// Files received at the same time.
    pub uploads: usize,
    /// Longest wait for verdicts.
    pub wait: Duration,
    /// Requests as a whole.
    pub request: RequestConfig,
    /// Documents.
    pub query: QueryConfig,
    /// Answers.
    pub answer: AnswerConfig,
    /// Largest file, in bytes (`media.max_bytes`).
    pub upload_bytes: u64,
    /// Largest picture, in pixels (`media.max_pixels`).
    pub pixels: u64,
    /// Longest video (`media.max_seconds`).
    pub video: Duration,
    /// All limits on media, as workers read them.
    pub media: serde_json::Value,
}

/// Worker processes.
#[derive(Debug, Clone)]
pub struct WorkersConfig {
    /// Processes that judge; absent: one per processor.
    pub count: Option<usize>,
    /// Processes that probe; absent: one per four processors, at least two.
    pub probe_count: Option<usize>,
    /// Threads of one inference.
    pub threads: u32,
    /// Most address space of one, in bytes.
    pub memory_bytes: u64,
    /// Processor time of one run.
    pub cpu: Duration,
    /// Analyses that wait for a plugin that is gone fail after this time.
    pub removed_after: Duration,
    /// Whether workers start where the kernel does not offer all of their sandbox.
    pub sandbox: SandboxLevel,
    /// `exact` or `fast`.
    pub decoder: Decoder,
}

/// Video decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// Bit-exact.
    Exact,
    /// Without the deblocking filter.
    Fast,
}

/// Instant checks.
#[derive(Debug, Clone)]
pub struct CheckConfig {
    /// At the same time.
    pub concurrent: usize,
    /// Memory for their media, in bytes.
    pub memory_bytes: u64,
}

/// What is said about one analyzer.
#[derive(Debug, Clone, Default)]
pub struct AnalyzerConfig {
    /// The company's policy for the analysis type of this name: a JSON object.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Handed to the plugin when it starts: a JSON object.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl Config {
    /// From the text of a file and the `VULTUS_*` variables; all problems at once.
    pub fn from_sources(
        text: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut values = Values::read(text, environment);
        let listen =
            parsed(&mut values, "listen", "must be an address and a port, such as 127.0.0.1:8080");
        let public_url = public_url(&mut values);
        let store = store(&mut values);
        let blobs = blobs_place(&mut values, store.as_ref());
        let log_level: Option<tracing_subscriber::EnvFilter> =
            parsed(&mut values, "log.level", "must be a level, or levels per part");
        let admin_email = admin_email(&mut values);
        let analyzers = analyzers(&values);
        match (listen, store, blobs, log_level, admin_email, values.problems.is_empty()) {
            (Some(listen), Some(store), Some(blobs), Some(_), Some(admin_email), true) => Ok(
                Self::from_values(values, listen, public_url, store, blobs, admin_email, analyzers),
            ),
            _ => Err(values.problems),
        }
    }

    /// The configuration with all defaults.
    pub fn defaults() -> Self {
        Self::from_sources("", &BTreeMap::new())
            .expect("the defaults in the table of keys are valid: a test reads them")
    }

    fn from_values(
        values: Values,
        listen: SocketAddr,
        public_url: Option<Url>,
        store: StoreConfig,
        blobs: BlobsPlace,
        admin_email: String,
        analyzers: BTreeMap<String, AnalyzerConfig>,
    ) -> Self {
        let seconds = |path| Duration::from_secs(values.integer(path));
        let path = |path| values.text(path).filter(|text| !text.is_empty()).map(PathBuf::from);
        let count = |path| Some(values.count(path)).filter(|&count| count > 0);
        Self {
            data_dir: path("data_dir").unwrap_or_else(|| PathBuf::from("data")),
            keys_dir: path("keys_dir"),
            listen,
            mode: if values.text("mode") == Some("production") {
                Mode::Production
            } else {
                Mode::Development
            },
            public_url,
            allowed_origins: origins(&values),
            plugins_dir: path("plugins_dir"),
            plugins_watch: Some(seconds("plugins.watch_seconds"))
                .filter(|interval| !interval.is_zero()),
            models_dir: path("models_dir"),
            onnxruntime: path("onnxruntime"),
            store,
            blobs: BlobsConfig {
                place: blobs,
                secret_access_key: values.s3_secret_key.clone(),
                master_key_file: path("blobs.master_key_file"),
                master_key: values.master_key.clone(),
                memory_bytes: values.integer("blobs.memory_bytes"),
            },
            log: LogConfig {
                format: if values.text("log.format") == Some("json") {
                    LogFormat::Json
                } else {
                    LogFormat::Text
                },
                level: values.text("log.level").unwrap_or_default().to_owned(),
            },
            admin_email,
            access_lifetime: seconds("tokens.access_seconds"),
            refresh_lifetime: seconds("tokens.refresh_seconds"),
            password_concurrency: values.count("passwords.concurrency"),
            limits: limits(&values),
            workers: WorkersConfig {
                count: count("workers.count"),
                probe_count: count("workers.probe_count"),
                threads: u32::try_from(values.integer("workers.threads")).unwrap_or(1),
                memory_bytes: values.integer("workers.memory_bytes"),
                cpu: seconds("workers.cpu_seconds"),
                removed_after: seconds("workers.removed_seconds"),
                sandbox: match values.text("workers.sandbox") {
                    Some("required") => SandboxLevel::Required,
                    _ => SandboxLevel::BestEffort,
                },
                decoder: if values.text("workers.decoder") == Some("fast") {
                    Decoder::Fast
                } else {
                    Decoder::Exact
                },
            },
            check: CheckConfig {
                concurrent: values.count("check.concurrent"),
                memory_bytes: values.integer("check.memory_bytes"),
            },
            analyzers,
            sweep_interval: seconds("sweeper.interval_seconds"),
            drain: seconds("shutdown.drain_seconds"),
            effective: values.scalars,
        }
    }

    /// Every key with the value that applies, as TOML; without the store's password.
    pub fn to_toml(&self) -> String {
        let mut lines = String::new();
        for (path, value) in &self.effective {
            let shown = match value {
                Value::String(uri) if *path == "store.url" => Value::String(without_password(uri)),
                other => other.clone(),
            };
            lines.push_str(&format!("{path} = {shown}\n"));
        }
        for (name, analyzer) in &self.analyzers {
            for (field, object) in [("params", &analyzer.params), ("settings", &analyzer.settings)]
            {
                if let Ok(value) = Value::try_from(object)
                    && !object.is_empty()
                {
                    lines.push_str(&format!("analyzers.{name:?}.{field} = {value}\n"));
                }
            }
        }
        lines
    }
}

fn parsed<T: std::str::FromStr>(
    values: &mut Values,
    path: &'static str,
    complaint: &str,
) -> Option<T> {
    let parsed = values.text(path).and_then(|text| text.parse().ok());
    if parsed.is_none() {
        values.problem(path, complaint);
    }
    parsed
}

fn public_url(values: &mut Values) -> Option<Url> {
    let text = values.text("public_url")?.to_owned();
    let url = Url::parse(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    if url.is_none() {
        values.problem("public_url", "must be an http or https address");
    }
    url
}

fn store(values: &mut Values) -> Option<StoreConfig> {
    let text = values.text("store.url").unwrap_or_default().to_owned();
    if text == "sqlite" {
        return Some(StoreConfig::Sqlite);
    }
    if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
        return Some(StoreConfig::Mongo(text.into()));
    }
    values.problem("store.url", "must be \"sqlite\", or begin with mongodb:// or mongodb+srv://");
    None
}

fn blobs_place(values: &mut Values, store: Option<&StoreConfig>) -> Option<BlobsPlace> {
    let text = values.text("blobs.url").unwrap_or_default().to_owned();
    match (text.as_str(), store) {
        ("file", _) => return Some(BlobsPlace::File),
        ("gridfs", Some(StoreConfig::Mongo(uri))) => return Some(BlobsPlace::GridFs(uri.clone())),
        ("gridfs", Some(StoreConfig::Sqlite)) => {
            let complaint = "\"gridfs\" is a part of the store's MongoDB database, and the store is SQLite: use \"file\" or \"s3://…\", \
                             or set store.url to a MongoDB";
            values.problem("blobs.url", complaint);
            return None;
        }
        // The problem is the store's.
        ("gridfs", None) => return None,
        _ => {}
    }
    match bucket(&text) {
        Ok(bucket) => Some(BlobsPlace::Bucket(bucket)),
        Err(complaint) => {
            values.problem("blobs.url", complaint);
            None
        }
    }
}

fn bucket(text: &str) -> Result<BucketConfig, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "s3");
    let url = url.ok_or(
        "must be \"file\", \"gridfs\", or an address of the form s3://BUCKET/PREFIX?region=REGION",
    )?;
    let name = url
        .host_str()
        .filter(|name| !name.is_empty())
        .ok_or("must name a bucket: s3://BUCKET/…")?
        .to_owned();
    let prefix = url.path().trim_matches('/').to_owned();
    let mut bucket = BucketConfig {
        name,
        prefix,
        region: "us-east-1".to_owned(),
        endpoint: None,
        access_key_id: None,
    };
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "region" => bucket.region = value.into_owned(),
            "endpoint" => {
                let valid =
                    Url::parse(&value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
                bucket.endpoint = Some(
                    valid
                        .then(|| value.into_owned())
                        .ok_or("`endpoint` must be an http or https address")?,
                );
            }
            "access_key_id" => bucket.access_key_id = Some(value.into_owned()),
            other => {
                return Err(format!("`{other}` is not one of region, endpoint, access_key_id"));
            }
        }
    }
    Ok(bucket)
}

/// A URI that can be shown: what stands between user name and host is left out.
fn without_password(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match authority
        .rsplit_once('@')
        .and_then(|(login, hosts)| Some((login.split_once(':')?.0, hosts)))
    {
        Some((user, hosts)) => format!("{scheme}://{user}:***@{hosts}{path}"),
        None => uri.to_owned(),
    }
}

fn admin_email(values: &mut Values) -> Option<String> {
    let email = values.text("admin.email").and_then(vultus_auth::login_name::normal_email);
    if email.is_none() {
        values.problem("admin.email", "must be a login name of the form name@host");
    }
    email
}

fn origins(values: &Values) -> Vec<String> {
    let text = values.text("allowed_origins").unwrap_or_default();
    text.split(',')
        .map(|origin| origin.trim().trim_end_matches('/').to_owned())
        .filter(|origin| !origin.is_empty())
        .collect()
}

fn limits(values: &Values) -> LimitsConfig {
    let media = values.scalars.iter().filter_map(|(path, value)| {
        let name = path.strip_prefix("limits.media.")?;
        Some((name.to_owned(), serde_json::to_value(value).ok()?))
    });
    let seconds = values
        .scalars
        .get("limits.media.max_seconds")
        .and_then(Value::as_float)
        .unwrap_or_default();
    LimitsConfig {
        media_per_request: values.count("limits.media_per_request"),
        analyses_per_request: values.count("limits.analyses_per_request"),
        media_per_folder: values.count("limits.media_per_folder"),
        metadata_bytes: values.count("limits.metadata_bytes"),
        uploads: values.count("limits.uploads"),
        wait: Duration::from_millis(values.integer("limits.wait_ms")),
        request: RequestConfig::from_values(values),
        query: QueryConfig::from_values(values),
        answer: AnswerConfig::from_values(values),
        upload_bytes: values.integer("limits.media.max_bytes"),
        pixels: values.integer("limits.media.max_pixels"),
        video: Duration::from_secs_f64(seconds),
        media: serde_json::Value::Object(media.collect()),
    }
}

fn analyzers(values: &Values) -> BTreeMap<String, AnalyzerConfig> {
    let object = |fields: &BTreeMap<String, toml::Table>, field: &str| {
        let json = fields.get(field).and_then(|table| serde_json::to_value(table).ok());
        json.and_then(|value| value.as_object().cloned()).unwrap_or_default()
    };
    let analyzer = |fields| AnalyzerConfig {
        params: object(fields, "params"),
        settings: object(fields, "settings"),
    };
    values.analyzers.iter().map(|(name, fields)| (name.clone(), analyzer(fields))).collect()
}

#[cfg(test)]
mod tests;
