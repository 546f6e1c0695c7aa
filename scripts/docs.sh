#!/usr/bin/env bash
# `make docs`: builds the documentation as a book in target/book. Installs mdbook into target/tools if it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

version=0.5.4
mdbook=target/tools/bin/mdbook
if [[ "$("$mdbook" --version 2>/dev/null)" != "mdbook v$version" ]]; then
    cargo install --locked mdbook --version "$version" --no-default-features --features search --root target/tools
fi

# The pages link to files beside docs/. So the book is built from a copy of all pages and of the files that they link to, each at its
# place in the repository.
source=target/book-source
rm -rf "$source" target/book
mkdir -p "$source"

pages() {
    find . \( -path ./target -o -path ./data -o -path ./.git -o -path ./.github -o -name node_modules \) -prune -o -name '*.md' -print |
        sed 's|^\./||' | sort
}
# The files other than pages that the links of a page lead to.
linked_files() {
    local target
    grep -o '](\([^)#: ]*\)' "$1" | sed 's/^](//' | while read -r target; do
        target=$(realpath --canonicalize-missing --relative-to=. "$(dirname "$1")/$target")
        if [[ -f $target && $target != *.md ]]; then echo "$target"; fi
    done
}

pages | while read -r page; do
    cp --parents "$page" "$source"
    { linked_files "$page" || true; } | xargs --no-run-if-empty cp --parents --target-directory "$source"
done

# The table of contents: README.md first, then docs/SUMMARY.md, then the pages elsewhere in the repository.
rm "$source/docs/SUMMARY.md"
{
    printf '# Summary\n\n[Vultus](README.md)\n\n'
    sed -e '1d' -e 's|](|](docs/|' docs/SUMMARY.md
    printf '\n# In the repository\n\n'
    pages | grep --invert-match -e '^docs/' -e '^README.md$' | while read -r page; do
        printf -- '- [%s](%s)\n' "$(sed -n '/^# /{s/^# //p;q}' "$page")" "$page"
    done
} >"$source/SUMMARY.md"
cp docs/book.toml "$source"
"$mdbook" build "$source" --dest-dir "$PWD/target/book"
echo "docs: the book is target/book/index.html"
