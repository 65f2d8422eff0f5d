#!/usr/bin/env bash
# Makes the wheel, target/wheels/assay_client-*.whl, and what in it is generated. It needs Rust and Python 3.11; the tools of tools.txt come from PyPI once, into target/python-tools.
#   python/build.sh               the wheel
#   python/build.sh http          assay_client/http, the client of all routes, from web/client/openapi.json
#   python/build.sh http FOLDER   the same into a new folder
set -euo pipefail
cd "$(dirname "$0")"
tools=../target/python-tools
if ! cmp -s tools.txt $tools/tools.txt; then
    rm -rf $tools
    python3 -m venv $tools
    $tools/bin/pip install --quiet --disable-pip-version-check -r tools.txt
    cp tools.txt $tools/
fi
# the generator formats what it writes with the ruff beside it, which would leave its cache there
export PATH=$(realpath $tools/bin):$PATH RUFF_NO_CACHE=true

case ${1:-wheel} in
wheel) maturin build --release --locked --interpreter python3 --out ../target/wheels ;;
http)
    folder=${2:-assay_client/http}
    rm -rf "$folder"
    openapi-python-client generate --path ../web/client/openapi.json --config http.yaml --meta none --output-path "$folder" --fail-on-warning
    ;;
*)
    echo "python/build.sh, python/build.sh http, or python/build.sh http FOLDER" >&2
    exit 2
    ;;
esac
