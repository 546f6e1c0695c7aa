//! Turns the text of a file and the variables into the validated configuration.

use super::analyzers;
use super::keys::{Config, Mode};
use super::places::{BlobsPlace, BlobsUrl, StoreUrl};
use super::problem::Problem;
use super::source::Source;
use std::collections::BTreeMap;
use vultus_worker_protocol::SandboxLevel;

impl Config {
    /// Reads the text of a file and the `VULTUS_*` variables; reports all problems at once.
    pub fn from_sources(
        text: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        read(text, environment).map(|(config, _)| config)
    }

    /// The configuration with all defaults.
    pub fn defaults() -> Self {
        Self::from_sources("", &BTreeMap::new()).expect("the defaults are valid: a test reads them")
    }

    /// What to do if the kernel lacks parts of the workers' sandbox.
    pub fn sandbox(&self) -> SandboxLevel {
        self.workers.sandbox.unwrap_or(match self.mode {
            Mode::Development => SandboxLevel::BestEffort,
            Mode::Production => SandboxLevel::Required,
        })
    }

    /// Where files of media are stored.
    pub fn blobs_place(&self) -> BlobsPlace<'_> {
        self.find_blobs_place().expect("reading refuses GridFS on SQLite")
    }

    /// `None`: GridFS without a MongoDB.
    fn find_blobs_place(&self) -> Option<BlobsPlace<'_>> {
        match (&self.blobs.url, &self.store.url) {
            (BlobsUrl::File, _) => Some(BlobsPlace::File),
            (BlobsUrl::Bucket(bucket), _) => Some(BlobsPlace::Bucket(bucket)),
            (BlobsUrl::GridFs, StoreUrl::Mongo(uri)) => Some(BlobsPlace::GridFs(uri)),
            (BlobsUrl::GridFs, StoreUrl::Sqlite) => None,
        }
    }
}

/// Every key with the value that applies, as TOML: without secrets and the store's password.
pub fn effective(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<String, Vec<Problem>> {
    let (config, source) = read(text, environment)?;
    let mut lines = String::new();
    for (path, value) in &source.effective {
        lines.push_str(&format!("{path} = {value}\n"));
    }
    lines.push_str(&analyzers::lines(&config.analyzers));
    lines.push_str(&config.oidc.lines());
    Ok(lines)
}

fn read(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<(Config, Source), Vec<Problem>> {
    let (config, mut source): (Config, Source) = Source::read(text, environment);
    let store_is_known = !source.problems.iter().any(|problem| {
        matches!(problem.place.as_str(), "store.url" | "store" | "VULTUS_STORE_URL" | "file")
    });
    // The fault of an invalid store is reported once.
    if store_is_known && config.find_blobs_place().is_none() {
        let message = "\"gridfs\" is a part of the store's MongoDB database, and the store is \
                       SQLite: use \"file\" or \"s3://…\", or set store.url to a MongoDB";
        source.problem("blobs.url", message);
    }
    if source.problems.is_empty() && config.mode == Mode::Production && config.public_url.is_none()
    {
        let message = "must be set in production: links would begin with the host that a request \
                       names";
        source.problem("public_url", message);
    }
    if source.problems.is_empty() { Ok((config, source)) } else { Err(source.problems) }
}
