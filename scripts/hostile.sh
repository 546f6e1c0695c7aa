#!/usr/bin/env bash
# `make hostile`: all attacks of strangers and of one company at once against a node, for five minutes (HOSTILE_SECONDS), with what another
# company notices of it. The exit code is 1 if a required value is missed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo build --release --workspace --bins --lib
exec cargo bench --quiet --workspace --bench hostile
