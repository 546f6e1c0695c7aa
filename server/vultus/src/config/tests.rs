use super::source::{Entry, Source};
use super::*;
use expect_test::expect_file;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vultus_worker_protocol::SandboxLevel;

pub(super) fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn effective_with(text: &str, environment: &BTreeMap<String, String>) -> String {
    effective(text, environment).unwrap()
}

fn from_text(text: &str) -> Result<Config, Vec<Problem>> {
    Config::from_sources(text, &BTreeMap::new())
}

fn shown(text: &str) -> String {
    effective(text, &BTreeMap::new()).unwrap()
}

fn places(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let problems = Config::from_sources(text, &environment(variables))
        .expect_err("the configuration is invalid");
    problems.into_iter().map(|problem| problem.place).collect()
}

/// `UPDATE_EXPECT=1 cargo test -p vultus --lib config` writes the file.
#[test]
fn example_file_is_written_from_the_keys() {
    expect_file!["../../../../config.example.toml"].assert_eq(&example());
}

#[test]
fn example_file_sets_the_defaults() {
    assert_eq!(shown(&example()), shown(""));
}

#[test]
fn each_variable_belongs_to_one_key() {
    let (_, source): (Config, Source) = Source::read("", &BTreeMap::new());
    let mut variables = BTreeSet::new();
    for entry in source.entries {
        if let Entry::Key(key) = entry {
            assert!(variables.insert(key.variable.clone()), "{}", key.variable);
        }
    }
    assert!(variables.contains("VULTUS_LIMITS_MEDIA_MAX_BYTES"), "{variables:?}");
}

#[test]
fn environment_wins_over_file_and_file_over_defaults() {
    let text = "listen = \"0.0.0.0:1\"\n[tokens]\naccess_seconds = 60\n\
                [limits.media]\nmax_seconds = 30";
    let config =
        Config::from_sources(text, &environment(&[("VULTUS_LISTEN", "127.0.0.1:0")])).unwrap();
    assert_eq!(config.listen.port(), 0);
    assert_eq!(config.tokens.access_seconds, Duration::from_secs(60));
    assert_eq!(config.limits.media.max_seconds, 30.0);
    assert_eq!(config.limits.media.max_frames_stored, 24);
    assert_eq!(config.mode, Mode::Development);
}

#[test]
fn production_needs_a_public_url_and_the_complete_sandbox() {
    assert_eq!(places("mode = \"production\"", &[]), ["public_url"]);
    let production = "mode = \"production\"\npublic_url = \"https://vultus.example\"\n";
    assert_eq!(from_text(production).unwrap().sandbox(), SandboxLevel::Required);
    assert_eq!(from_text("").unwrap().sandbox(), SandboxLevel::BestEffort);
    let weaker = format!("{production}workers.sandbox = \"best_effort\"\n");
    assert_eq!(from_text(&weaker).unwrap().sandbox(), SandboxLevel::BestEffort);
}

#[test]
fn workers_get_limits_under_the_names_of_the_keys() {
    let limits = serde_json::to_value(from_text("").unwrap().limits.media).unwrap();
    assert_eq!(limits["max_bytes"], 104_857_600);
    assert_eq!(limits["max_seconds"], 120.0);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = "listen = \"nowhere\"\nmode = 1\ncolour = \"red\"\n[tokens]\naccess_seconds = 1\n\
                [workers]\nspeed = 9\n[analyzers.liveness]\nparam = {}";
    let found = places(text, &[("VULTUS_CHECK_CONCURRENT", "many"), ("VULTUS_NO_SUCH_KEY", "1")]);
    let expected = [
        "listen",
        "mode",
        "colour",
        "tokens.access_seconds",
        "workers.speed",
        "analyzers.liveness.param",
        "VULTUS_CHECK_CONCURRENT",
        "VULTUS_NO_SUCH_KEY",
    ];
    for place in expected {
        assert!(found.iter().any(|f| f == place), "{place} in {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}

#[test]
fn value_of_the_file_is_checked_under_a_variable() {
    let found = places("[check]\nconcurrent = 0", &[("VULTUS_CHECK_CONCURRENT", "4")]);
    assert_eq!(found, ["check.concurrent"]);
}

#[test]
fn message_names_the_bounds() {
    let problems = from_text("[tokens]\naccess_seconds = 1").unwrap_err();
    let message = "tokens.access_seconds: must be a whole number from 5 to 86400";
    assert_eq!(problems[0].to_string(), message);
}

#[test]
fn empty_text_unsets_a_key_without_default() {
    let config =
        Config::from_sources("keys_dir = \"\"", &environment(&[("VULTUS_PLUGINS_DIR", "")]));
    let config = config.unwrap();
    assert_eq!((config.keys_dir, config.plugins_dir), (None, None));
}

#[test]
fn analyzers_are_set_by_file_and_environment() {
    let text = "[analyzers.liveness]\nparams = { acceptBelow = 0.4 }";
    let variables =
        environment(&[("VULTUS_ANALYZERS_FACE_TEMPLATE_SETTINGS", "{ model = \"fr_feature\" }")]);
    let config = Config::from_sources(text, &variables).unwrap();
    assert_eq!(config.analyzers["liveness"].params["acceptBelow"], 0.4);
    assert_eq!(config.analyzers["face_template"].settings["model"], "fr_feature");
    let printed = effective(text, &variables).unwrap();
    assert_eq!(shown(&printed), printed, "what is printed can be read again");
}

#[test]
fn bucket_is_named_by_an_address() {
    let text = "[blobs]\nurl = \"s3://media/some/prefix?region=eu-central-1\
                &endpoint=http://127.0.0.1:9000&access_key_id=id\"";
    let config = from_text(text).unwrap();
    let BlobsPlace::Bucket(bucket) = config.blobs_place() else { panic!("{:?}", config.blobs) };
    let expected = BucketUrl {
        name: "media".to_owned(),
        prefix: "some/prefix".to_owned(),
        region: "eu-central-1".to_owned(),
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        access_key_id: Some("id".to_owned()),
    };
    assert_eq!(*bucket, expected);
}

#[test]
fn invalid_blobs_addresses_are_refused() {
    for wrong in [
        "gcs://media",
        "s3://",
        "s3://media?secret=x",
        "s3://media?endpoint=ftp://host",
        "files",
        "gridfs://",
    ] {
        let refused = from_text(&format!("[blobs]\nurl = {wrong:?}")).unwrap_err();
        assert!(refused.iter().any(|problem| problem.place == "blobs.url"), "{wrong}");
    }
}

#[test]
fn secrets_are_read_from_variables_and_never_shown() {
    let secrets =
        environment(&[("VULTUS_S3_SECRET_KEY", "s3cret"), ("VULTUS_MASTER_KEY", "m4ster")]);
    let config = Config::from_sources("", &secrets).unwrap();
    assert!(config.blobs.master_key.is_some() && config.blobs.s3_secret_key.is_some());
    let shown = format!("{}{config:?}", effective("", &secrets).unwrap());
    assert!(!shown.contains("s3cret") && !shown.contains("m4ster"), "{shown}");
}

#[test]
fn secrets_are_refused_in_a_file() {
    let found = places("[blobs]\nmaster_key = \"m4ster\"\ns3_secret_key = \"s3cret\"", &[]);
    assert_eq!(found, ["blobs.s3_secret_key", "blobs.master_key"]);
}

#[test]
fn store_is_sqlite_or_mongodb() {
    let of = |url: &str| from_text(&format!("store.url = {url:?}"));
    for wrong in ["mysql://host", "sqlite:///x", ""] {
        assert_eq!(of(wrong).unwrap_err()[0].place, "store.url", "{wrong}");
    }
    assert!(matches!(of("sqlite").unwrap().store.url, StoreUrl::Sqlite));
    assert!(matches!(of("mongodb://a:1/db").unwrap().store.url, StoreUrl::Mongo(_)));
}

#[test]
fn password_of_the_store_is_never_shown() {
    let text = "store.url = \"mongodb://vultus:sesame%2F@a:1,b:2/db?replicaSet=rs0\"";
    let config = from_text(text).unwrap();
    let shown_toml = shown(text);
    assert!(shown_toml.contains("mongodb://vultus:***@a:1,b:2/db?replicaSet=rs0"), "{shown_toml}");
    assert!(!format!("{config:?}").contains("sesame"));
    assert!(shown("store.url = \"mongodb://a:1/db\"").contains("mongodb://a:1/db"));
}

#[test]
fn gridfs_uses_the_database_of_the_store() {
    let text = "store.url = \"mongodb://vultus:sesame@a:1/db\"\nblobs.url = \"gridfs\"";
    let config = from_text(text).unwrap();
    assert!(matches!(config.blobs_place(), BlobsPlace::GridFs(_)));
    assert!(!format!("{config:?}{}", shown(text)).contains("sesame"));
}

#[test]
fn gridfs_is_refused_on_sqlite() {
    let refused = from_text("store.url = \"sqlite\"\nblobs.url = \"gridfs\"").unwrap_err();
    assert_eq!((refused.len(), refused[0].place.as_str()), (1, "blobs.url"));
    assert!(refused[0].to_string().contains("the store is SQLite"), "{}", refused[0]);
}

#[test]
fn fault_of_the_store_is_reported_once_with_gridfs() {
    let refused = from_text("store.url = \"mysql://a\"\nblobs.url = \"gridfs\"").unwrap_err();
    assert_eq!((refused.len(), refused[0].place.as_str()), (1, "store.url"));
}
