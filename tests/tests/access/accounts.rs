//! Companies and users: what each role reads and changes of its own company and of another one.

use crate::schema::{Schema, Selection};
use crate::world::Reach::{Company, Everything, Nothing, Own};
use crate::world::{ROLES, Reach, Whose, World, company_of};
use crate::{MISSING, outcome};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Reach of each role, in the order of [`ROLES`].
type Row = [Reach; 6];

const VIEW_COMPANY: Row = [Everything, Everything, Company, Company, Company, Company];
const VIEW_USER: Row = [Everything, Everything, Own, Company, Company, Company];
const ADMIN: Row = [Everything, Nothing, Nothing, Nothing, Nothing, Nothing];
const ADMINS: Row = [Everything, Nothing, Nothing, Nothing, Nothing, Company];

/// Mutations of a company.
const COMPANIES: [(&str, Row); 5] = [
    ("createCompany", ADMIN),
    ("renameCompany", ADMINS),
    ("suspendCompany", ADMIN),
    ("resumeCompany", ADMIN),
    ("deleteCompany", ADMIN),
];
/// Mutations of a user.
const USERS: [(&str, Row); 8] = [
    ("createUser", ADMINS),
    ("renameUser", [Everything, Own, Own, Own, Own, Company]),
    ("changeUserRole", ADMINS),
    ("changeUserAnalyses", ADMINS),
    ("disableUser", ADMINS),
    ("enableUser", ADMINS),
    ("unlockUser", ADMINS),
    ("deleteUser", ADMINS),
];

/// Reads companies and users by id, with the field of their type and with `node`.
pub async fn reading(world: &World, covered: &mut BTreeSet<String>) {
    let colleague = viewer(&world.colleague).await;
    let stranger = viewer(&world.stranger).await;
    for (caller, role) in ROLES.iter().enumerate() {
        let client = &world.callers[caller];
        let own = viewer(client).await;
        let users = [(Whose::Own, own), (Whose::Colleagues, colleague.clone())];
        for (whose, id) in users.iter().chain([&(Whose::Foreign, stranger.clone())]) {
            let visible = VIEW_USER[caller].covers(*whose);
            for field in ["user", "node"] {
                let shown = shown(client, field, id).await;
                assert_eq!(shown, visible, "{role} {field} {whose:?}");
            }
        }
        for whose in [Whose::Own, Whose::Foreign] {
            let visible = VIEW_COMPANY[caller].covers(whose);
            for field in ["company", "node"] {
                let shown = shown(client, field, world.company(whose)).await;
                assert_eq!(shown, visible, "{role} {field} {whose:?}");
            }
        }
        let all = "{ companies(first: 100) { nodes { id name users(first: 100) { nodes { id } } } }
                     users(first: 100) { nodes { id email company { id } } } }";
        let told = client.data(all, json!({})).await.to_string();
        let foreign = VIEW_COMPANY[caller].covers(Whose::Foreign);
        assert_eq!(told.contains(&world.other), foreign, "{role} {told}");
        assert_eq!(told.contains(&stranger), foreign, "{role} {told}");
        let colleagues = VIEW_USER[caller].covers(Whose::Colleagues);
        assert_eq!(told.contains(&colleague), colleagues, "{role} {told}");
    }
    covered.extend(["Query.company", "Query.user"].map(str::to_owned));
}

async fn viewer(client: &vultus_tests::Client) -> String {
    let viewer = client.data("{ viewer { user { id } } }", json!({})).await;
    viewer["viewer"]["user"]["id"].as_str().unwrap().to_owned()
}

/// Whether the object is shown. A hidden one must look like a missing one.
async fn shown(client: &vultus_tests::Client, field: &str, id: &str) -> bool {
    let query = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
    let answer = client.query(&query, json!({"id": id})).await;
    if answer["data"][field]["id"] == json!(id) {
        return true;
    }
    assert_eq!(answer, client.query(&query, json!({"id": MISSING})).await);
    false
}

pub async fn changing(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    for (field, row) in COMPANIES.into_iter().chain(USERS) {
        let selections = schema.selections(&[("Mutation", field)]);
        let selection = selections.iter().find(|selection| selection.of.ends_with("Payload"));
        let selection = selection.unwrap_or_else(|| panic!("{field} has no payload"));
        covered.extend(schema.asked(&selection.of));
        covered.insert(format!("Mutation.{field}"));
        for (caller, reach) in row.into_iter().enumerate() {
            for whose in targets(field) {
                change(world, caller, selection, *whose, reach).await;
            }
        }
    }
    own_rights_are_not_raised(world).await;
}

/// Whose objects a mutation is tried on. A caller that disables or deletes itself ends the test.
fn targets(field: &str) -> &'static [Whose] {
    match field {
        "createCompany" => &[Whose::Own],
        "renameUser" => &[Whose::Own, Whose::Colleagues, Whose::Foreign],
        "createUser" => &[Whose::Own, Whose::Foreign],
        // Of a company of their own kind: one that no other test uses.
        "suspendCompany" | "resumeCompany" | "deleteCompany" => &[Whose::Foreign],
        "renameCompany" => &[Whose::Own, Whose::Foreign],
        _ => &[Whose::Colleagues, Whose::Foreign],
    }
}

async fn change(world: &World, caller: usize, selection: &Selection, whose: Whose, reach: Reach) {
    let (client, role, field) = (&world.callers[caller], ROLES[caller], selection.root.1.as_str());
    let input = input_of(world, caller, field, whose).await;
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let query =
        format!("mutation($input: {kind}!) {{ {field}(input: $input) {{ {} }} }}", selection.text);
    let answer = client.query(&query, json!({"input": input})).await;
    let expected = match reach {
        Nothing => Err("FORBIDDEN".to_owned()),
        reach if reach.covers(whose) => Ok(()),
        _ => Err("NOT_FOUND".to_owned()),
    };
    let found = outcome(&answer, field).map(drop);
    assert_eq!(found, expected, "{role} {whose:?} {field}: {answer:#}");
}

async fn input_of(world: &World, caller: usize, field: &str, whose: Whose) -> Value {
    let own_user = async || viewer(&world.callers[caller]).await;
    match field {
        "createCompany" => json!({"name": "New"}),
        "renameCompany" => json!({"companyId": world.company(whose), "name": "Renamed"}),
        "suspendCompany" | "resumeCompany" | "deleteCompany" => {
            json!({"companyId": world.victim_company().await})
        }
        "createUser" => json!({
            "email": format!("{}@example.org", uuid::Uuid::now_v7()), "role": "CLIENT",
            "companyId": world.company(whose), "password": vultus_tests::PASSWORD,
        }),
        "renameUser" if whose == Whose::Own => json!({"userId": own_user().await, "name": "Me"}),
        "renameUser" => json!({"userId": world.victim(whose).await, "name": "Renamed"}),
        "changeUserRole" => {
            json!({"userId": world.victim(whose).await, "role": "CLIENT_OPERATOR"})
        }
        "changeUserAnalyses" => {
            json!({"userId": world.victim(whose).await, "mayStart": ["quality"]})
        }
        _ => json!({"userId": world.victim(whose).await}),
    }
}

/// An administrator of a company gives neither itself nor others rights beyond it.
async fn own_rights_are_not_raised(world: &World) {
    let administrator = &world.callers[5];
    let own = viewer(administrator).await;
    let victim = world.victim(Whose::Own).await;
    let role = "mutation($input: ChangeUserRoleInput!) {
        changeUserRole(input: $input) { user { id } } }";
    for input in [
        json!({"userId": own, "role": "CLIENT"}),
        json!({"userId": own, "role": "ADMIN"}),
        json!({"userId": victim, "role": "ADMIN"}),
        json!({"userId": victim, "role": "OPERATOR"}),
    ] {
        let refused = administrator.error(role, json!({"input": input})).await;
        assert_eq!(refused["code"], "FORBIDDEN", "{input} {refused:#}");
    }
    let analyses = "mutation($input: ChangeUserAnalysesInput!) {
        changeUserAnalyses(input: $input) { user { id } } }";
    let refused = administrator.error(analyses, json!({"input": {"userId": own}})).await;
    assert_eq!(refused["code"], "FORBIDDEN", "{refused:#}");
    let moved = json!({"input": {"userId": victim, "role": "CLIENT", "companyId": world.other}});
    let moved = administrator.error(role, moved).await;
    assert_eq!(
        (&moved["code"], &moved["argument"]),
        (&json!("INVALID_INPUT"), &json!("input.companyId"))
    );
    assert_eq!(company_of(administrator).await, world.company);
}
