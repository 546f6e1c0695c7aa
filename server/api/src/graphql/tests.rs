//! Rules of the whole schema. Nothing is resolved: a valid document fails at its first resolver,
//! with a path; an invalid one fails without a path.

use super::*;
use serde_json::Value;

async fn passes(query: &str) -> bool {
    let api = Api::new(Introspection::Refused, RequestLimits::default());
    if api.check(query, None).is_err() {
        return false;
    }
    let response = api.schema.execute(query).await;
    !response.errors.is_empty() && response.errors.iter().all(|error| !error.path.is_empty())
}

#[tokio::test]
async fn every_type_field_argument_and_enum_value_is_described() {
    let query = "{ __schema { types { name description
        fields { name description args { name description } }
        inputFields { name description } enumValues { name description } } } }";
    let response = builder(&QueryLimits::default()).finish().execute(query).await;
    let schema = serde_json::to_value(response.data).unwrap();
    let mut bare = Vec::new();
    let types = schema["__schema"]["types"].as_array().unwrap();
    for kind in types.iter().filter(|kind| !kind["name"].as_str().unwrap().starts_with("__")) {
        note_bare(kind, "", &mut bare);
        let owner = kind["name"].as_str().unwrap();
        for list in ["fields", "inputFields", "enumValues"] {
            for member in kind[list].as_array().into_iter().flatten() {
                note_bare(member, owner, &mut bare);
                for argument in member["args"].as_array().into_iter().flatten() {
                    note_bare(argument, &format!("{owner}.{}", member["name"]), &mut bare);
                }
            }
        }
    }
    assert!(types.len() > 40);
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}

fn note_bare(thing: &Value, owner: &str, bare: &mut Vec<String>) {
    if thing["description"].as_str().unwrap_or_default().is_empty() {
        bare.push(format!("{owner}.{}", thing["name"].as_str().unwrap_or_default()));
    }
}

#[tokio::test]
async fn a_node_can_be_queried_as_each_type() {
    let query = "{ node(id: \"x\") { __typename id
        ... on Media { kind url } ... on Analysis { type state media { id } }
        ... on User { email } ... on Folder { state }
        ... on Image { width } ... on Video { duration } ... on ShotSet { frameCount }
        ... on LivenessAnalysis { score } ... on FaceMatchAnalysis { similarity }
        ... on DocumentAnalysis { documentType }
        ... on CustomAnalysis { result } } }";
    assert!(passes(query).await);
}

#[tokio::test]
async fn one_list_can_query_the_results_of_all_analyzers() {
    let query = "{ folder(id: \"x\") { analyses(first: 5) { nodes { type state
        ... on LivenessAnalysis { score perMedia { framesJudged } bestShot { url } }
        ... on FaceMatchAnalysis { similarity perMedia { framesUsed } pairs { similarity } }
        ... on GesturesAnalysis { challenge perMedia { complete wanted seen { gesture flaw } } }
        ... on DocumentAnalysis { documentType
          fields { name value status media { id } corners { x y } }
          mrz { lines checkDigits { composite } } barcodes { elements { id value } }
          portrait { artifact { url } corners { x y } } quality { cutOff sharpness }
          lines { text } } } } } }";
    assert!(passes(query).await);
}

#[tokio::test]
async fn a_listing_of_100_folders_is_within_the_complexity() {
    let listing = |first: i32| {
        format!(
            "{{ folders(first: {first}) {{ pageInfo {{ hasNextPage endCursor }}
            edges {{ cursor node {{ id externalId state resolution
            owner {{ id email }} media(first: 20) {{ nodes {{ id kind tags url thumbnailUrl }} }}
            analyses(first: 20) {{ nodes {{ id type state resolution
              reasons {{ code message }} }} }} }} }} }} }}"
        )
    };
    assert!(passes(&listing(100)).await);
    let deep = "{ folders(first: 100) { nodes {
        analyses(first: 100) { nodes { group { analyses { media {
          id kind tags width height sha256 contentType byteSize createdAt url } } } } }
        groups { analyses { media { id kind tags width height url } } }
        media(first: 100) { nodes { id kind tags width height url } } } } }";
    assert!(!passes(deep).await);
}

#[test]
fn a_request_can_try_one_set_of_credentials() {
    let api = Api::new(Introspection::Refused, RequestLimits::default());
    let login = "login(input: {email: \"a@b\", password: \"c\"}) { accessToken }";
    assert!(api.check(&format!("mutation {{ {login} }}"), None).is_ok());
    assert!(api.check(&format!("mutation {{ a: {login} b: {login} }}"), None).is_err());
    assert!(
        api.check(
            &format!("mutation {{ ...f b: {login} }} fragment f on Mutation {{ {login} }}"),
            None
        )
        .is_err()
    );
}

#[test]
fn a_subscription_has_one_root_field() {
    let api = Api::new(Introspection::Refused, RequestLimits::default());
    assert!(
        api.check("subscription { a: folder(id: 1) { id } b: folder(id: 2) { id } }", None)
            .is_err()
    );
}

#[tokio::test]
async fn production_has_no_introspection_or_suggestions() {
    let api = Api::new(Introspection::Refused, RequestLimits::default());
    let response = api.schema.execute("{ vieweer { user { id } } }").await;
    assert!(!format!("{response:?}").contains("Did you mean"));
    let response = api.schema.execute("{ __schema { types { name } } }").await;
    assert!(!format!("{response:?}").contains("FolderSummary"));
}
