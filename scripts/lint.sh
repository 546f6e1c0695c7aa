#!/usr/bin/env bash
# Formatting, clippy and rustdoc without warnings, unused dependencies, licences, advisories.
#
# cargo-deny and cargo-machete are used where they are installed; `make ci` installs them.
# With LINT_TOOLS=required, or in CI (the variable CI is set), a missing tool is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
export PATH="$PWD/target/tools/cargo/bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

has_tool() {
    cargo "$1" --version >/dev/null 2>&1 && return
    [[ ${LINT_TOOLS:-} != required && -z ${CI:-} ]] || { echo "lint: cargo-$1 is not installed" >&2; exit 1; }
    echo "lint: skipped: cargo-$1 is not installed (cargo install cargo-$1 --locked)"
    return 1
}

# Checks advisories against the database that cargo-deny can fetch, else against a copy beside the
# project, and prints how old the copy is.
check_advisories() {
    local copy=${ADVISORY_DB:-../shared/advisory-db.tar.gz} folder
    if timeout 60 cargo deny fetch db >/dev/null 2>&1; then
        cargo deny check advisories
        return
    fi
    if [[ ! -e $copy ]]; then
        echo "lint: skipped: advisories (their database cannot be reached, and $copy is missing)"
        [[ -z ${CI:-} ]]
        return
    fi
    # The folder's name is what cargo-deny derives from the address of the database.
    folder=target/advisory-db/advisory-db-3157b0e258782691
    rm -rf target/advisory-db
    mkdir -p "$folder"
    tar --extract --gzip --file "$copy" --directory "$folder"
    git -C "$folder" init --quiet
    git -C "$folder" add --all
    git -C "$folder" -c user.name=lint -c user.email=lint@localhost commit --quiet --message copy
    echo "lint: advisories from $copy, whose newest entry is of $(newest_advisory "$folder")"
    sed "s|^\[advisories\]|&\ndb-path = \"$PWD/target/advisory-db\"|" deny.toml \
        >target/deny-offline.toml
    cargo deny --offline --config target/deny-offline.toml check advisories
}

newest_advisory() { grep --recursive --no-filename '^date = ' "$1" | sort | tail -n 1 | cut -d '"' -f 2; }

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- --deny warnings
RUSTDOCFLAGS="--deny warnings --allow rustdoc::private_intra_doc_links" \
    cargo doc --workspace --no-deps --document-private-items --locked
if has_tool machete; then cargo machete; fi
if has_tool deny; then
    cargo deny --locked check bans licenses sources
    check_advisories
fi
