#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_completion.sh COMPLETION LEARN: what the completion offers after some beginnings of commands.
set -u
source "$1"
compopt() { :; } # knows nothing outside of a completion
failed=0

# expect WHAT WORD...: with these words typed, the last of them unfinished, WHAT is offered.
expect() {
  local wanted=$1
  shift
  COMP_WORDS=(partita "$@")
  COMP_CWORD=$#
  _partita
  [[ "${COMPREPLY[*]-}" == "$wanted" ]] || {
    echo "partita $*: expected '$wanted', got '${COMPREPLY[*]-}'"
    failed=1
  }
}

expect "sample" sa
expect "train" lm t
expect "ngram lstm transformer" lm train --kind ""
expect "transformer" lm train --kind t
expect "--checkpoint --checkpoint-seconds" lm train --check
expect "--checkpoint --checkpoint-seconds" lm train words.txt --kind lstm --check
expect "" sample --seed ""
expect "--temperature --temp --top-n-sigma --top-h --top-k --top-p --typical-p --typical --threads" sample --t
if [[ $2 == ON ]]; then
  expect "gaussian concrete" vae train --latent ""
  expect "tour" to
fi
exit $failed
