#!/bin/sh
# Sets up something to sell on a development chain: contracts, and a model with keys for one and for eight inferences. Writes to the folder
# $1 the packages and keys (models/) and the market's address (market). What is there already is not made again, neither in the folder nor on
# the chain; a chain that began anew gets everything once more, at the same addresses.
# It reads ASSAY_RPC and ASSAY_PRIVATE_KEY as `assay` does, MODELS, the folder with the networks, and TREASURY, an account.
set -eu
out=$1
models=${MODELS:-/usr/share/assay/models}
if [ ! -s "$out/market" ]; then
  mkdir -p "$out/models"
  assay compile "$models/digits_cnn.onnx" --calibrate "$models/digits_calibration.json" -o "$out/models/digits.assay"
  assay setup "$out/models/digits.assay"
  assay setup --batch 8 --separate "$out/models/digits.assay"
fi
# whoever sells must not be the treasury: this is another account of a development chain
treasury=${TREASURY:-0x90F79bf6EB2c4f870365E785982E1f101E93b906}
market=$(assay --json deploy --allow-development --treasury "$treasury" | sed -n 's/.*"market": *"\(0x[0-9a-fA-F]*\)".*/\1/p')
[ -n "$market" ] || { echo "the contracts were not deployed" >&2; exit 1; }
assay publish "$out/models/digits.assay" --market "$market"
assay publish "$out/models/digits.assay" --key "$out/models/digits.x8s.key" --market "$market"
echo "$market" > "$out/market.part"
mv "$out/market.part" "$out/market"
