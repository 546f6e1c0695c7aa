#!/usr/bin/env bash
# `make fmt`: formats the code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
exec cargo fmt --all
