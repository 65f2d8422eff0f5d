#!/usr/bin/env bash
# Tests the wheel as a new user has it: built here, installed into an empty environment, and used; then the notebook, executed with the packages of notebook.txt, which come from PyPI
# once, into target/python-notebook. The client of all routes must be what the generator writes today. It needs `assay` as the workspace built it, or ASSAY names one.
set -euo pipefail
cd "$(dirname "$0")/.."
export ASSAY=${ASSAY:-$PWD/target/release/assay}
[ -x "$ASSAY" ] || cargo build --release --locked --workspace

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
export PYTHONDONTWRITEBYTECODE=1 ASSAY_HOME=$made/home

python/build.sh http "$made/http" > "$made/log" 2>&1 || { cat "$made/log" >&2; exit 1; }
diff -r -x __pycache__ "$made/http" python/assay_client/http || {
    echo "python/assay_client/http is not what the service's description gives today: run python/build.sh http" >&2
    exit 1
}

rm -f target/wheels/assay_client-*.whl
python/build.sh wheel
wheel=$(echo target/wheels/assay_client-*.whl)

python3 -m venv "$made/empty"
"$made/empty/bin/pip" install --quiet --disable-pip-version-check --no-index "$wheel"
"$made/empty/bin/python" -m unittest discover -v -s python/tests

notebook=target/python-notebook
if ! cmp -s python/notebook.txt $notebook/notebook.txt; then
    rm -rf $notebook
    python3 -m venv $notebook
    $notebook/bin/pip install --quiet --disable-pip-version-check -r python/notebook.txt
    cp python/notebook.txt $notebook/
fi
$notebook/bin/pip install --quiet --disable-pip-version-check "$wheel[http]"
$notebook/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall "$wheel"
$notebook/bin/python -m unittest -v python/tests/test_notebook.py
