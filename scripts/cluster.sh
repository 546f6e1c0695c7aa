#!/usr/bin/env bash
# `make cluster`: three database servers with authentication and two nodes of Vultus on this machine; plays the demo on both nodes.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo build --release --workspace --bins --lib
DEMO=cluster exec target/release/demo
