#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_manual.sh MAN1 PARTITA: groff reads every page without a warning, each option that a command's
# help lists is in its page, and options that commands share have the same words everywhere and the
# order that options.hpp gives them.
set -u
failed=0
complain() {
  echo "$1"
  failed=1
}

pages=0
for page in "$1"/*.1; do
  pages=$((pages + 1))
  warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
  [[ -z $warnings ]] || complain "$warnings"
done
((pages >= 15)) || complain "only $pages pages"

for command in sample generate "lm train" "calibrate fit" "detect evaluate" "embed train"; do
  text=$(groff -man -Tascii -P-cbou "$1/partita-${command// /-}.1")
  # shellcheck disable=SC2086
  while read -r flag; do
    grep -q -e "$flag" <<<"$text" || complain "partita-${command// /-}.1 lacks $flag"
  done < <("$2" $command --help | grep -o -E '^  (-.,)?--[a-z-]+' | grep -o -E -e '--[a-z-]+')
done

shared=(device checkpoint log seed threads json)
for flag in "${shared[@]}"; do
  words=$(grep -h -A 1 -E "^\.B .*\\\\-\\\\-$flag( |$)" "$1"/*.1 | grep -v -e '^--$' -e '^\.B' | sort -u)
  [[ $(wc -l <<<"$words") == 1 ]] || complain "--$flag means several things: $words"
done

ordered='device|checkpoint|checkpoint-seconds|log|seed|threads|json|output|report'
for page in "$1"/*.1; do
  # Options of a group of their own (.SS) come after all others.
  flags=$(sed '/^\.SS/,$d' "$page" | sed -n 's/\\-/-/g; s/^\.B .*--\([a-z-]*\).*/\1/p' | grep -x -E "$ordered")
  places=$(for flag in $flags; do tr '|' '\n' <<<"$ordered" | grep -n -x "$flag" | cut -d: -f1; done)
  [[ $places == "$(sort -n <<<"$places")" ]] || complain "$page: options in the order ${flags//$'\n'/ }"
done
exit $failed
