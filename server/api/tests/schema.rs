//! `schema.graphql` at the root of the repository is the published contract: it is what the code
//! says.

use std::path::Path;

#[test]
fn the_published_schema_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema.graphql");
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    let actual = vultus_api::graphql::sdl();
    let same = published.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        published == actual,
        "schema.graphql differs from the code at line {}. If the change is meant, publish it with\n\n    cargo run -p vultus -- schema > schema.graphql\n",
        same + 1
    );
}
