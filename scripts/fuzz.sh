#!/usr/bin/env bash
# Fuzzes every parser that reads bytes of strangers, guided by coverage; FUZZ_SECONDS in total, 600
# by default, shared by the targets. TARGETS names some of them.
#
# The corpus starts from samples, fuzz/seeds and, where it exists, ../shared/testdata. It is kept in
# target/fuzz. An input that crashes a target, takes over 1 s or over 2 GB is written to
# target/fuzz/found/TARGET, and the script fails: such an input becomes a regression test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
export PATH="$PWD/target/tools/cargo/bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
cargo fuzz --version >/dev/null 2>&1 \
    || cargo install cargo-fuzz --version 0.13.2 --locked --quiet --root target/tools/cargo

all=(picture video archive zone licence manifest protocol query request multipart)
read -ra targets <<<"${TARGETS:-${all[*]}}"
seconds=$((${FUZZ_SECONDS:-600} / ${#targets[@]}))
corpus=target/fuzz/corpus found=target/fuzz/found

# Copies small files of these names to the corpus of a target.
seed() {
    local target=$1 pattern; shift
    mkdir -p "$corpus/$target" "$found/$target"
    for pattern in "$@"; do
        find fuzz/seeds samples/files ../shared/testdata -type f -name "$pattern" -size -600k \
            2>/dev/null | sort | head -n 40 | while read -r file; do
            cp --update=none "$file" "$corpus/$target/$(sha256sum "$file" | cut -c 1-16)"
        done
    done
}

seed picture '*.jpg' '*.png' '*.webp' '*.heic' '*.avif'
seed video '*.mp4' '*.mov' '*.webm' '*.mkv'
seed archive '*.zip'
seed zone '*.zone.txt'
seed licence '*.aamva.txt'
seed manifest '*.manifest.json'
seed protocol '*.message'
seed query '*.graphql'
seed request '*.request.json'
seed multipart '*.multipart'

# No sanitizer: Rust checks bounds, and FFmpeg and libheif are not instrumented.
cargo fuzz build --fuzz-dir fuzz --target-dir target/fuzz/build --sanitizer none
failed=0
for target in "${targets[@]}"; do
    echo "fuzz: $target for $seconds s"
    cargo fuzz run --fuzz-dir fuzz --target-dir target/fuzz/build --sanitizer none "$target" \
        "$corpus/$target" -- -max_total_time="$seconds" -timeout=1 -rss_limit_mb=2048 \
        -artifact_prefix="$found/$target/" -max_len=600000 -print_final_stats=1 \
        || failed=1
done
exit "$failed"
