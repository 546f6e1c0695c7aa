//! Connecting to the replica set of a URI, and checking that it is suitable.

use super::transaction::durable;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Client, Database};
use std::time::Duration;
use vultus_store::{Result, StoreError};

/// Database if the URI names none.
const DEFAULT_DATABASE: &str = "vultus";
/// Oldest supported server, by its transactions, change streams and partial indexes.
const OLDEST: (i32, i32) = (6, 0);
/// Maximum wait of an operation for a primary.
const SELECTION: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
/// Interval of monitoring the members.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Maximum number of connections to each member, unless the URI sets it.
const CONNECTIONS: u32 = 64;
/// Codes of the server: not authorized, and authentication failed.
const REFUSED: [i32; 2] = [13, 18];

/// A client of the replica set and its database. The write concern is set here, whatever the URI
/// says.
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

/// Checks the server before anything is written to it.
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
    // Fails if the user lacks the rights that a node needs.
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

/// Explains why the server did not answer the first command.
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

/// Queries the first member with a direct connection.
async fn look_closer(options: &ClientOptions) -> String {
    let Some(first) = options.hosts.first().cloned() else {
        return "the URI names no server".to_owned();
    };
    let address = first.to_string();
    let mut direct = options.clone();
    (direct.hosts, direct.direct_connection, direct.repl_set_name, direct.credential) =
        (vec![first], Some(true), None, None);
    direct.selection_criteria = None;
    let hello = async {
        let client = Client::with_options(direct)?;
        let hello = client.database("admin").run_command(doc! { "hello": 1 }).await;
        client.shutdown().immediate(true).await;
        hello
    };
    match hello.await {
        // The error of the driver names both versions.
        Err(error) if error.to_string().contains("wire version") => {
            format!("the version of the server is not supported: {error}")
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
                "the server at {address} is in the replica set `{name}`, \
                 and the URI names `{wanted}`"
            )
        }
        (Some(name), _) => format!(
            "the replica set `{name}` has no primary that can be reached \
             by the names of its members"
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
