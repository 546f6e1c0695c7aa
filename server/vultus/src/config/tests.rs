use super::*;

const EXAMPLE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.example.toml");

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn places(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let problems = Config::from_sources(text, &environment(variables))
        .expect_err("the configuration is wrong");
    problems.into_iter().map(|problem| problem.place).collect()
}

#[test]
fn the_example_file_lists_every_key_with_its_default() {
    let committed = std::fs::read_to_string(EXAMPLE_FILE).unwrap();
    assert_eq!(
        committed,
        example(),
        "write it anew: cargo test -p vultus --lib config -- --ignored writes_the_example_file"
    );
    let from_example = Config::from_sources(&committed, &BTreeMap::new()).unwrap();
    assert_eq!(from_example.to_toml(), Config::defaults().to_toml());
}

#[test]
#[ignore = "not a test: writes config.example.toml from the table of keys"]
fn writes_the_example_file() {
    std::fs::write(EXAMPLE_FILE, example()).unwrap();
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let text =
        "listen = \"0.0.0.0:1\"\n[tokens]\naccess_seconds = 60\n[limits.media]\nmax_seconds = 30";
    let config =
        Config::from_sources(text, &environment(&[("VULTUS_LISTEN", "127.0.0.1:0")])).unwrap();
    assert_eq!(config.listen.port(), 0);
    assert_eq!(config.access_lifetime, Duration::from_secs(60));
    assert_eq!(config.limits.media["max_seconds"], 30.0);
    assert_eq!(config.limits.media["max_frames_stored"], 24);
    assert_eq!(config.mode, Mode::Development);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = "listen = \"nowhere\"\nmode = 1\ncolour = \"red\"\n[tokens]\naccess_seconds = 1\n[workers]\nspeed = 9\n[analyzers.liveness]\nparam = {}";
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
fn analyzers_take_policy_and_settings_from_the_file_and_the_environment() {
    let text = "[analyzers.liveness]\nparams = { acceptBelow = 0.4 }";
    let config = Config::from_sources(
        text,
        &environment(&[("VULTUS_ANALYZERS_FACE_TEMPLATE_SETTINGS", "{ model = \"fr_feature\" }")]),
    )
    .unwrap();
    assert_eq!(config.analyzers["liveness"].params["acceptBelow"], 0.4);
    assert_eq!(config.analyzers["face_template"].settings["model"], "fr_feature");
    let printed = Config::from_sources(&config.to_toml(), &BTreeMap::new()).unwrap();
    assert_eq!(printed.to_toml(), config.to_toml(), "what is printed can be read again");
}

#[test]
fn a_bucket_is_named_by_an_address_and_its_secret_by_a_variable_that_is_never_printed() {
    let text = "[blobs]\nurl = \"s3://media/some/prefix?region=eu-central-1&endpoint=http://127.0.0.1:9000&access_key_id=id\"";
    let config = Config::from_sources(
        text,
        &environment(&[("VULTUS_S3_SECRET_KEY", "s3cret"), ("VULTUS_MASTER_KEY", "m4ster")]),
    );
    let config = config.unwrap();
    let BlobsPlace::Bucket(bucket) = &config.blobs.place else {
        panic!("{:?}", config.blobs.place)
    };
    assert_eq!(
        (bucket.name.as_str(), bucket.prefix.as_str(), bucket.region.as_str()),
        ("media", "some/prefix", "eu-central-1")
    );
    assert_eq!(bucket.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert!(config.blobs.master_key.is_some() && config.blobs.secret_access_key.is_some());
    let shown = format!("{}{config:?}", config.to_toml());
    assert!(!shown.contains("s3cret") && !shown.contains("m4ster"), "{shown}");
    for wrong in [
        "gcs://media",
        "s3://",
        "s3://media?secret=x",
        "s3://media?endpoint=ftp://host",
        "files",
        "gridfs://",
    ] {
        let refused = Config::from_sources(&format!("[blobs]\nurl = {wrong:?}"), &BTreeMap::new());
        assert!(refused.unwrap_err().iter().any(|problem| problem.place == "blobs.url"), "{wrong}");
    }
}

#[test]
fn a_store_is_sqlite_or_a_replica_set_whose_password_is_never_shown() {
    let of = |url: &str| Config::from_sources(&format!("store.url = {url:?}"), &BTreeMap::new());
    for wrong in ["mysql://host", "sqlite:///x", ""] {
        assert_eq!(of(wrong).unwrap_err()[0].place, "store.url", "{wrong}");
    }
    assert!(matches!(of("sqlite").unwrap().store, StoreConfig::Sqlite));
    let config = of("mongodb://vultus:sesame%2F@a:1,b:2/db?replicaSet=rs0").unwrap();
    assert!(matches!(config.store, StoreConfig::Mongo(_)));
    assert!(
        config.to_toml().contains("mongodb://vultus:***@a:1,b:2/db?replicaSet=rs0"),
        "{}",
        config.to_toml()
    );
    assert!(!format!("{:?}", config.store).contains("sesame"));
    assert!(of("mongodb://a:1/db").unwrap().to_toml().contains("mongodb://a:1/db"));
}

#[test]
fn gridfs_lies_in_the_stores_database_and_needs_one() {
    let of = |store: &str| {
        Config::from_sources(
            &format!("store.url = {store:?}\nblobs.url = \"gridfs\""),
            &BTreeMap::new(),
        )
    };
    let config = of("mongodb://vultus:sesame@a:1/db").unwrap();
    assert!(matches!(config.blobs.place, BlobsPlace::GridFs(_)));
    assert!(!format!("{:?}{}", config.blobs, config.to_toml()).contains("sesame"));
    let refused = of("sqlite").unwrap_err();
    assert_eq!((refused.len(), refused[0].place.as_str()), (1, "blobs.url"));
    assert!(refused[0].to_string().contains("the store is SQLite"), "{}", refused[0]);
    let refused = of("mysql://a").unwrap_err();
    assert_eq!(
        (refused.len(), refused[0].place.as_str()),
        (1, "store.url"),
        "the store's fault is told once"
    );
}
