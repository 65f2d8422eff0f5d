#!/usr/bin/env bash
# Writes the book of the documentation to target/book, and says so if a page is in no chapter, a link leads nowhere or
# an acronym has no row in the glossary. It needs Python 3.11; mdBook's program comes from PyPI once, and is kept in
# target/mdbook. MDBOOK names another one.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/mdbook
if [ -z "${MDBOOK:-}" ]; then
    MDBOOK=$folder/bin/mdbook
    if ! cmp -s .ci/book-requirements.txt $folder/requirements.txt; then
        rm -rf $folder
        python3 -m venv $folder
        $folder/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r .ci/book-requirements.txt
        cp .ci/book-requirements.txt $folder/requirements.txt
    fi
fi
python3 .ci/book.py
"$MDBOOK" build
echo "target/book/index.html"
