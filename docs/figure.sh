#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One figure of a page that `partita` wrote, by its title, as an SVG of its own with the page's colors for
# light and dark:
#
#   partita tour --claim H2
#   docs/figure.sh tour/index.html "p-value against length" > docs/watermark.svg
set -eu
awk -v title="$2" '
  /^:root/ && !done { style = 1; css = "<style>" }
  style { css = css "\n" $0 }
  style && /^}/ && ++rules == 2 {  # light, dark
    css = css "\nsvg { color: var(--ink); font: 15px system-ui, sans-serif; }\n</style>"
    style = 0
    done = 1
  }
  index($0, "<svg role=\"img\" aria-label=\"" title) {
    sub(/style="[^"]*"/, "")
    figure = 1
  }
  figure && NF { print }
  figure == 1 && />/ { print css; figure = 2 }
  /<\/svg>/ { figure = 0 }
' "$1"
