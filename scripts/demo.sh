#!/usr/bin/env bash
# `make demo`: sets up, builds with optimisation, starts a server and checks real files. DEMO=once stops the server afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
PROFILE=release scripts/setup.sh
cargo build --release --workspace --bins --lib
exec target/release/demo
