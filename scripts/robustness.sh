#!/usr/bin/env bash
# `make robustness`: the verdicts of liveness on labelled clips in pieces of five seconds, on versions of them by codec, bitrate, noise,
# brightness and scale, and on attacks made by a program. DATA=FOLDER is the folder of `make eval`; KEEP=FOLDER keeps the clips. Takes about
# 15 minutes on two cores after the build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

data=${DATA:-../shared/testdata}
[[ -d $data/liveness/clips ]] || { echo "robustness: no clips at $data/liveness/clips; give DATA=FOLDER (docs/guides/measure-error-rates.md)" >&2; exit 1; }
scripts/setup.sh
cargo build --release --workspace --bins --lib
clips=${KEEP:-}
if [[ -z $clips ]]; then
  clips=$(mktemp -d)
  trap 'rm -rf "$clips"' EXIT
fi
target/release/clip_variants scripts/liveness_clips.csv "$data/liveness" "$data/photos" "$clips"
for list in versions attacks; do
  printf '\n== %s\n' "$list"
  target/release/vultus eval liveness --list "$clips/$list.csv" --root "$clips"
done
