#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The picture of README.md: the two reliability diagrams of a report of `partita calibrate fit`, with its
# colors for light and dark, side by side in one SVG.
#
#   partita calibrate fit densenet-bc-100-cifar-100.npz:predictions \
#     densenet-bc-100-cifar-100.npz:ground_truth --probabilities -o calibrator.json --report report.html
#   docs/reliability.sh report.html > docs/reliability.svg
#
# The outputs of that network are calibration-framework's (Apache-2.0).
set -eu
awk '
  BEGIN {
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 980 430\" role=\"img\">"
    print "<title>Reliability diagrams, before and after calibration</title>"
  }
  /^:root/ { style = 1; print "<style>" }
  style { print }
  style && /^}/ && ++rules == 2 {  # light, dark
    print "svg { color: var(--ink); font: 15px system-ui, sans-serif; }"
    print "</style>"
    style = 0
  }
  /<svg role="img" aria-label="Reliability diagram/ {
    ++figures
    x = (figures - 1) * 500
    print "<text x=\"" x + 265 "\" y=\"20\" text-anchor=\"middle\" fill=\"currentColor\">" \
      (figures == 1 ? "before" : "after one number, the temperature") "</text>"
    sub(/<svg/, "<svg x=\"" x "\" y=\"30\" width=\"480\" height=\"400\"")
    sub(/style="[^"]*"/, "")
    figure = 1
  }
  figure && NF { print }
  /<\/svg>/ { figure = 0 }
  END { print "</svg>" }
' "$1"
