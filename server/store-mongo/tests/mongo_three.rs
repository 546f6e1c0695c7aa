//! The contract suite over MongoDB with three members.

use std::sync::Arc;
use vultus_store::Store;
use vultus_store_mongo::MongoStore;
use vultus_tests::ReplicaSet;

async fn make() -> (Arc<dyn Store>, ()) {
    let uri = ReplicaSet::shared(3).uri(&format!("contract-{}", uuid::Uuid::now_v7()));
    (MongoStore::open(&uri).await.expect("the store opens"), ())
}

vultus_store::contract_tests!(make);
