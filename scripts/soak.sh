#!/usr/bin/env bash
# `make soak`: lets thousands of clients watch one folder, measures the memory of a node during
# two hours of mixed work, kills a single node at 100 random moments, then starts three database servers and
# three nodes, and kills or pauses one of them every few seconds for an hour. The exit code is 1 if a guarantee is broken. SOAK=full inflicts
# 100 faults on the cluster during 1 000 runs instead of the hour, in about a quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo build --release --workspace --bins --lib
cargo bench --quiet --workspace --bench watchers
cargo bench --quiet --workspace --bench mixed
exec cargo bench --quiet --workspace --bench soak
