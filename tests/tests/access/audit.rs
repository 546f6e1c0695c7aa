//! The audit log: administrators of the installation read all of it, those of a company their own,
//! and other roles none.

use crate::schema::Schema;
use crate::world::{ROLES, World};
use crate::{MISSING, outcome};
use serde_json::json;
use std::collections::BTreeSet;
use vultus_tests::wait_until;

const READ: &str = "query($filter: AuditFilter) { auditLog(first: 100, filter: $filter) {
  edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  nodes { id number at company actor origin action object before after hash } } }";

pub async fn reading(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    let foreign = json!({"filter": {"companyId": world.other, "actions": ["LOGGED_IN"]}});
    wait_until("the login of the stranger", || async {
        let read = world.callers[0].data(READ, foreign.clone()).await;
        read["auditLog"]["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty()).then_some(())
    })
    .await;
    for (client, role) in world.callers.iter().zip(ROLES) {
        let all = client.query(READ, json!({})).await;
        let refused = Err("FORBIDDEN".to_owned());
        match role {
            "admin" => assert!(outcome(&all, "auditLog").is_ok(), "{all:#}"),
            "client_admin" => {
                let nodes = outcome(&all, "auditLog").expect("it is shown")["nodes"].clone();
                let nodes = nodes.as_array().expect("a list").clone();
                assert!(!nodes.is_empty());
                for node in nodes {
                    assert_eq!(node["company"], world.company, "{node:#}");
                }
                for other in [world.other.as_str(), MISSING] {
                    let filter = json!({"filter": {"companyId": other}});
                    let answer = client.query(READ, filter).await;
                    assert_eq!(outcome(&answer, "auditLog"), Err("NOT_FOUND".to_owned()));
                }
            }
            _ => assert_eq!(outcome(&all, "auditLog"), refused, "{role}"),
        }
    }
    covered.insert("Query.auditLog".to_owned());
    for of in ["AuditEntry", "AuditEntryConnection", "AuditEntryEdge"] {
        covered.extend(schema.asked(of));
    }
}
