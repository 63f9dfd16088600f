#!/usr/bin/env bash
# check_manual.sh MAN1 PARTITA: groff reads every page without a warning, each command of partita has
# one, and each option that a command's help lists is in its page.
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
exit $failed
