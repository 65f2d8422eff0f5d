#!/usr/bin/env bash
# Has Schemathesis make requests out of the service's own description, the same ones in each run, and fails where an answer is none that the description names (docs/testing.md). The
# service is started here, on a free port. Schemathesis comes from PyPI once, into target/schemathesis. It needs `assay` as the workspace built it, or ASSAY names one; EXAMPLES is how
# many requests are made up for each route (10).
set -euo pipefail
cd "$(dirname "$0")/../.."
assay=${ASSAY:-$PWD/target/release/assay}
[ -x "$assay" ] || cargo build --release --locked --workspace

tools=$PWD/target/schemathesis
if ! cmp -s api/tests/schemathesis.txt "$tools/schemathesis.txt"; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check -r api/tests/schemathesis.txt
    cp api/tests/schemathesis.txt "$tools/"
fi

made=$(mktemp -d)
service=
end() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || true
    wait
    rm -rf "$made"
}
trap end EXIT
export ASSAY_HOME=$made/home
"$assay" compile fixtures/models/digits_cnn.onnx --calibrate fixtures/models/digits_calibration.json -o "$made/digits.assay" > "$made/log" 2>&1 \
    && "$assay" setup "$made/digits.assay" >> "$made/log" 2>&1 || { cat "$made/log" >&2; exit 1; }
"$assay" --json serve --models "$made/digits.assay" --free --webhooks-loopback --bind 127.0.0.1:0 --data "$made/data" > "$made/ready" 2> "$made/log" &
service=$!
for _ in $(seq 600); do
    url=$(sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' "$made/ready")
    [ -z "$url" ] || break
    kill -0 "$service" 2>/dev/null || break
    sleep 0.1
done
[ -n "$url" ] || { cat "$made/log" >&2; exit 1; }
key=$("$assay" api-keys create schemathesis --scope predict,read,webhooks,operate --data "$made/data" 2>/dev/null)

cd "$made" # it keeps notes in the folder where it runs
"$tools/bin/schemathesis" --config-file "$OLDPWD/api/tests/schemathesis.toml" run "$url/openapi.json" --header "Authorization: Bearer $key" \
    --max-examples "${EXAMPLES:-10}" --seed 1 --generation-database none --no-color --warnings off
