//! `schema.graphql` at the root of the repository is the published schema, and equals the code.

use expect_test::expect_file;

/// To publish an intended change: `UPDATE_EXPECT=1 cargo test -p vultus-api --test schema`.
#[test]
fn published_schema_equals_the_code() {
    expect_file!["../../../schema.graphql"].assert_eq(&vultus_api::graphql::sdl());
}
