#!/usr/bin/env bash
# `make test`: sets up, builds everything (tests start the plugins and the worker), and runs all tests. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
if [[ -d ../shared/testdata ]]; then
    echo "test: includes the larger suites on ../shared/testdata"
else
    echo "test: larger suites skipped: ../shared/testdata not present"
fi
# With --examples, which counts as a build of tests: all libraries have the features of the tests then,
# and `cargo test` compiles none of them again.
cargo build --workspace --lib --bins --examples
# A feature for plugin authors that no other crate enables.
cargo test --quiet --workspace --features vultus-plugin-api/files --test files
exec cargo test --workspace "$@"
