#!/usr/bin/env bash
# `make soak`: three database servers and three nodes, of which something is killed or paused at every few seconds, for an hour; the exit
# code says whether every promise held. SOAK=full does 100 points and 1 000 runs instead, which takes about a quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo build --release --workspace --bins --lib
exec cargo bench --quiet --workspace --bench soak
