#!/usr/bin/env bash
# `make bench`: runs the benchmarks with optimised builds. Each prints its figures and the required values; the exit code is 1 if one is
# missed. To run a single benchmark: `scripts/bench.sh throughput`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
cargo build --release --workspace --bins --lib

opencv=target/opencv
if ! PYTHONPATH=$opencv python3 -c 'import cv2' 2>/dev/null; then
    # Used only by the benchmark `opencv`, which compares with OpenCV.
    python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --upgrade --target "$opencv" opencv-python-headless==5.0.0.93
fi

failed=0
for bench in ${*:-throughput latency opencv idle sockets metadata audit cases plugins document cluster nodes fairness permissions deletions logins}; do
    cargo bench --quiet --workspace --bench "$bench" || failed=1
done
exit "$failed"
