//! Where the data are: the addresses of the store and of the blobs.

use secrecy::SecretString;
use url::Url;

/// The store.
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// SQLite in the data folder: one node.
    Sqlite,
    /// The MongoDB replica set with this URI, which may contain a password: any number of nodes.
    Mongo(SecretString),
}

impl StoreUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "sqlite" {
            return Ok(Self::Sqlite);
        }
        if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            return Ok(Self::Mongo(text.into()));
        }
        Err("must be \"sqlite\", or begin with mongodb:// or mongodb+srv://".to_owned())
    }
}

/// Where files of media are stored.
#[derive(Debug, Clone)]
pub enum BlobsUrl {
    /// In the data folder.
    File,
    /// In the store's MongoDB database.
    GridFs,
    /// In a bucket.
    Bucket(BucketUrl),
}

/// A bucket of an S3-compatible storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    /// Its name.
    pub name: String,
    /// Prefix of all keys; may be empty.
    pub prefix: String,
    /// Region.
    pub region: String,
    /// Address of the storage; absent: Amazon's in the region.
    pub endpoint: Option<String>,
    /// Id of the access key.
    pub access_key_id: Option<String>,
}

/// Where files of media are stored.
#[derive(Debug, Clone, Copy)]
pub enum BlobsPlace<'c> {
    /// In the data folder.
    File,
    /// In the store's MongoDB database with this URI.
    GridFs(&'c SecretString),
    /// In a bucket.
    Bucket(&'c BucketUrl),
}

impl BlobsUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "file" => Ok(Self::File),
            "gridfs" => Ok(Self::GridFs),
            url => BucketUrl::parse(url).map(Self::Bucket),
        }
    }
}

impl BucketUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "s3").ok_or(
            "must be \"file\", \"gridfs\", or an address of the form \
             s3://BUCKET/PREFIX?region=REGION",
        )?;
        let name = url.host_str().filter(|name| !name.is_empty());
        let mut bucket = Self {
            name: name.ok_or("must name a bucket: s3://BUCKET/…")?.to_owned(),
            prefix: url.path().trim_matches('/').to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: None,
            access_key_id: None,
        };
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "region" => bucket.region = value.into_owned(),
                "endpoint" => bucket.endpoint = Some(endpoint(&value)?),
                "access_key_id" => bucket.access_key_id = Some(value.into_owned()),
                other => {
                    return Err(format!("`{other}` is not one of region, endpoint, access_key_id"));
                }
            }
        }
        Ok(bucket)
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    match url {
        Some(_) => Ok(text.to_owned()),
        None => Err("`endpoint` must be an http or https address".to_owned()),
    }
}

/// A URI that can be shown: the password is replaced by `***`.
pub(super) fn without_password(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let login = authority.rsplit_once('@');
    match login.and_then(|(login, hosts)| Some((login.split_once(':')?.0, hosts))) {
        Some((user, hosts)) => format!("{scheme}://{user}:***@{hosts}{path}"),
        None => uri.to_owned(),
    }
}
