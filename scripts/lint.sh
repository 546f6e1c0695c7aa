#!/usr/bin/env bash
# `make lint`: checks formatting, clippy without warnings, and licences, advisories and sources if cargo-deny is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo fmt --all --check
cargo clippy --workspace --all-targets -- --deny warnings
if cargo deny --version >/dev/null 2>&1; then
    cargo deny check bans licenses sources
    if cargo deny fetch db 2>/dev/null; then
        cargo deny check advisories
    else
        echo "lint: the advisory database cannot be reached, so advisories were not checked"
    fi
else
    echo "lint: cargo-deny is not installed, so licences and advisories were not checked (cargo install cargo-deny --locked)"
fi
