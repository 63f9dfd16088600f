#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The walk of docs/languages.md, from nothing: walk.sh FOLDER, with partita and node on the PATH, and Partita installed
# where pkg-config finds it. Takes some minutes, of which the network takes most.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
npm pack --silent @vscode/vscode-languagedetection@1.0.23 >/dev/null
sha256sum --check --quiet <<<"23a55877f5cf56083d5034e15a56ea7fc8a5ba9c1f287fe631e21842ed916e2e  vscode-vscode-languagedetection-1.0.23.tgz"
tar -xzf vscode-vscode-languagedetection-1.0.23.tgz
node "$here/collect.mjs" package .
# shellcheck disable=SC2046
c++ -std=c++20 -O1 "$here/sets.cpp" -o sets $(pkg-config --cflags --libs partita)

partita calibrate fit logits.npy labels.npy --split 0.5 --seed 1 -o calibrator.json --report calibration.html
partita calibrate fit logits.npy labels.npy --split 0.5 --seed 1 --method isotonic -o isotonic.json
./sets logits.npy labels.npy classes.txt
for score in msp max-logit entropy energy; do
  partita detect evaluate --in logits.npy --out unknown.npy --score $score --positive in --seed 1 --report $score.html
done
partita detect evaluate --logits logits.npy --labels labels.npy --score msp --positive in --seed 1
partita detect threshold --in logits.npy --score msp --tpr 0.95 -o threshold.json
partita detect apply threshold.json unknown.npy -o marks.csv
