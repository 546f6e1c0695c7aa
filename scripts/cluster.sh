#!/usr/bin/env bash
# `make cluster`: starts three database servers with authentication and two Vultus nodes on this machine, and runs the demo on both nodes.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo build --release --workspace --bins --lib
DEMO=cluster exec target/release/demo
