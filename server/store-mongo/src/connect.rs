//! From the URI to a client: what a replica set must be, and a clear word where it is not.

use super::transaction::durable;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Client, Database};
use std::time::Duration;
use vultus_store::{Result, StoreError};

/// Where the URI names no database.
const DEFAULT_DATABASE: &str = "vultus";
/// Oldest server: transactions, change streams and partial indexes are as they are used here.
const OLDEST: (i32, i32) = (6, 0);
/// How long an operation waits for a primary before the caller is told to try again.
const SELECTION: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
/// How often members are looked at.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Connections to each member, unless the URI says otherwise.
const CONNECTIONS: u32 = 64;
/// Not authorized, and authentication failed.
const REFUSED: [i32; 2] = [13, 18];

/// A client of the replica set and its database. Durability is set here and not left to the URI.
pub(crate) async fn connect(uri: &str) -> Result<(Client, Database)> {
    let mut options = ClientOptions::parse(uri)
        .await
        .map_err(|error| refused(format!("the URI is not valid: {error}")))?;
    options.app_name.get_or_insert_with(|| "vultus".to_owned());
    options.write_concern = Some(durable());
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    (options.retry_writes, options.retry_reads) = (Some(true), Some(true));
    options.server_selection_timeout.get_or_insert(SELECTION);
    options.connect_timeout.get_or_insert(CONNECT);
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    options.max_pool_size.get_or_insert(CONNECTIONS);
    if options.direct_connection == Some(true) {
        return Err(refused(
            "directConnection is set: a node must be able to follow the primary".to_owned(),
        ));
    }
    let name = options.default_database.clone().unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
    let client =
        Client::with_options(options.clone()).map_err(|error| refused(error.to_string()))?;
    let database = client.database(&name);
    if let Err(error) = check(&database).await {
        client.shutdown().immediate(true).await;
        return Err(match error {
            Unfit::Said(text) => refused(text),
            Unfit::Driver(error) => refused(explain(&options, &error).await),
        });
    }
    Ok((client, database))
}

enum Unfit {
    Said(String),
    Driver(Error),
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

/// What a server must be, before anything is written to it.
async fn check(database: &Database) -> std::result::Result<(), Unfit> {
    let hello = database.run_command(doc! { "hello": 1 }).await?;
    if !hello.contains_key("setName") {
        return Err(Unfit::Said(no_replica_set().to_owned()));
    }
    let info = database.run_command(doc! { "buildInfo": 1 }).await?;
    let number = |at: usize| info.get_array("versionArray").ok()?.get(at)?.as_i32();
    let found = (number(0).unwrap_or_default(), number(1).unwrap_or_default());
    if found < OLDEST {
        let version = info.get_str("version").unwrap_or("unknown");
        return Err(Unfit::Said(format!(
            "the server is MongoDB {version}, and {}.{} is the oldest that works",
            OLDEST.0, OLDEST.1
        )));
    }
    // Needs the rights that a node needs.
    database
        .run_command(
            doc! { "listCollections": 1, "nameOnly": true, "authorizedCollections": false },
        )
        .await?;
    Ok(())
}

fn no_replica_set() -> &'static str {
    "the server is no member of a replica set, and transactions and change streams need one: \
     start mongod with --replSet, and run rs.initiate() once (one member is enough)"
}

/// Why the first answer did not come, in words that help.
async fn explain(options: &ClientOptions, error: &Error) -> String {
    let refusal = super::fault::code(error).is_some_and(|code| REFUSED.contains(&code));
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => {
            "the server refuses the user name or the password".to_owned()
        }
        _ if refusal => {
            "the user may not use this database: it needs the role readWrite on it".to_owned()
        }
        ErrorKind::ServerSelection { .. } => look_closer(options).await,
        _ => error.to_string(),
    }
}

/// Asks the first member alone, without taking part in its replica set.
async fn look_closer(options: &ClientOptions) -> String {
    let Some(first) = options.hosts.first().cloned() else {
        return "the URI names no server".to_owned();
    };
    let address = first.to_string();
    let mut alone = options.clone();
    (alone.hosts, alone.direct_connection, alone.repl_set_name, alone.credential) =
        (vec![first], Some(true), None, None);
    alone.selection_criteria = None;
    let asked = async {
        let client = Client::with_options(alone)?;
        let hello = client.database("admin").run_command(doc! { "hello": 1 }).await;
        client.shutdown().immediate(true).await;
        hello
    };
    match asked.await {
        // The driver's own sentence, which names both versions.
        Err(error) if error.to_string().contains("wire version") => {
            format!("the server is of another age: {error}")
        }
        Err(_) => format!("no server answers at {address}"),
        Ok(hello) => what_it_is(&address, &hello, options.repl_set_name.as_deref()),
    }
}

fn what_it_is(address: &str, hello: &Document, wanted: Option<&str>) -> String {
    let is_member = hello.get_bool("isreplicaset").unwrap_or_default();
    match (hello.get_str("setName").ok(), wanted) {
        (Some(name), Some(wanted)) if name != wanted => {
            format!(
                "the server at {address} is in the replica set `{name}`, and the URI says `{wanted}`"
            )
        }
        (Some(name), _) => format!(
            "the replica set `{name}` has no primary that can be reached by the names of its members"
        ),
        (None, _) if is_member => {
            format!("the replica set of {address} was never initiated: run rs.initiate() once")
        }
        (None, _) => no_replica_set().to_owned(),
    }
}

fn refused(text: String) -> StoreError {
    StoreError::Internal { context: "connecting to MongoDB".to_owned(), source: text.into() }
}
