#!/usr/bin/env bash
# `make eval`: measures accuracy on labelled pictures, with the worker and the plugins of the server.
# The labelled sets have research terms and are not part of this repository. DATA=FOLDER is their
# folder, in the layout that docs/guides/measure-error-rates.md describes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

data=${DATA:-../shared/testdata}
[[ -d $data ]] || { echo "eval: no labelled pictures at $data; give DATA=FOLDER (docs/guides/measure-error-rates.md)" >&2; exit 1; }
scripts/setup.sh
cargo build --release --workspace --bins --lib
vultus=target/release/vultus
fr_feature=$(mktemp --suffix .toml)
trap 'rm -f "$fr_feature"' EXIT
printf '[analyzers.face_template.settings]\nmodel = "fr_feature"\n' >"$fr_feature"

title() { printf '\n== %s\n' "$*"; }
title "Face match, aligned pairs, SFace"
"$vultus" eval face-match --pairs "$data/lfw_aligned112_pairs.csv" --root "$data/lfw_aligned112" --aligned
title "Face match, aligned pairs, fr_feature"
"$vultus" --config "$fr_feature" eval face-match --pairs "$data/lfw_aligned112_pairs.csv" --root "$data/lfw_aligned112" --aligned
title "Face match, full pictures, SFace"
"$vultus" eval face-match --pairs "$data/lfw_full_grey_pairs.csv" --root "$data/lfw_full_grey"
title "Face match, false match rates over all aligned pictures"
python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --upgrade --target target/eval \
    onnxruntime==1.32.0 numpy==2.4.6 pillow==13.0.0
PYTHONPATH=target/eval python3 scripts/eval_fmr.py "$data/lfw_aligned112" models/weights
title "Documents, original pictures"
"$vultus" eval document --list "$data/documents.csv" --root "$data/documents"
title "Documents, changed pictures"
variants=$(mktemp -d)
trap 'rm -rf "$fr_feature" "$variants"' EXIT
target/release/document_variants "$data/documents.csv" "$data/documents" "$variants"
"$vultus" eval document --mrz-only --list "$variants/documents.csv" --root "$variants"
title "Documents, on screens and under lamps: false alarms and hits"
"$vultus" eval document --mrz-only --list "$variants/suspects.csv" --root "$variants"
title "Liveness, single frames"
"$vultus" eval liveness --list "$data/liveness/nuaa.csv" --root "$data/liveness"
title "Documents, drawn for all issuing states"
cargo bench --quiet --workspace --bench states
