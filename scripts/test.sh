#!/usr/bin/env bash
# Sets up, builds everything (plugins and worker too, which tests start), and runs all tests. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
if [[ -d ../shared/testdata ]]; then
    echo "test: the larger suites on ../shared/testdata run too"
else
    echo "test: larger suites skipped: ../shared/testdata not present"
fi
cargo build --workspace
# A feature for authors of plugins that nothing else turns on.
cargo test --quiet --workspace --features vultus-plugin-api/files --test files
exec cargo test --workspace "$@"
