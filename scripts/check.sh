#!/usr/bin/env bash
# `make check`: formatting, then clippy over libraries and executables without warnings. It compiles no tests, and needs the system
# packages of `make setup`, but no models and no database server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo fmt --all --check
exec cargo clippy --workspace --lib --bins -- --deny warnings
