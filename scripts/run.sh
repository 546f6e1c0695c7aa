#!/usr/bin/env bash
# `make run`: builds without optimisation and starts a server with its data in ./data. Arguments go to `vultus serve`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo build --workspace --bins --lib
exec target/debug/vultus serve "$@"
