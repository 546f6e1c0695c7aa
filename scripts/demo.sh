#!/usr/bin/env bash
# `make demo`: sets up, builds with optimisation, and does the main job on real files. DEMO=once stops afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cargo build --release --workspace --bins --lib
exec target/release/demo
