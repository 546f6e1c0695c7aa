#!/usr/bin/env bash
# What has to pass before a change lands: lint with all tools, then `make test`. Installs the lint
# tools, by exact version, into target/tools/cargo. Prints how long each part took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

install_tool() {
    target/tools/cargo/bin/"$1" --version 2>/dev/null | grep --quiet --fixed-strings "$2" \
        || cargo install --quiet --locked --root target/tools/cargo --version "$2" "$1"
}

part() {
    local begun=$SECONDS
    echo "ci: $*"
    "$@"
    echo "ci: $* took $((SECONDS - begun)) s"
}

part make setup
part install_tool cargo-machete 0.9.2
part install_tool cargo-deny 0.20.2
LINT_TOOLS=required part make lint
part make test
