#!/usr/bin/awk -f
# SPDX-License-Identifier: Apache-2.0
# What Doxygen reads of a file. Of a header, the comment at its top is the file's description, and what
# is indented in a comment after an empty line is code; lines keep their numbers, or nearly. Of a page,
# comments about its code blocks are left out, and pictures lie beside the HTML.

function prose(text,    parts, n, i, out) { # < is a character, but in `code`
  n = split(text, parts, "`")
  for (i = 1; i <= n; ++i) {
    if (i % 2) gsub(/<[A-Za-z\/]/, "\\\\&", parts[i])
    out = out (i > 1 ? "`" : "") parts[i]
  }
  return out
}

function comment(text) { # a line of a comment, without its slashes
  if (text == "") {
    if (empty) print indent "///"
    empty = 1
    return
  }
  if (empty && !in_code && text ~ /^   /) {
    print indent "/// @code{.cpp}"
    in_code = 1
  } else if (in_code && text !~ /^   /) {
    print indent "/// @endcode"
    in_code = 0
  } else if (empty) {
    print indent "///"
  }
  empty = 0
  print indent "/// " (in_code ? substr(text, 4) : prose(substr(text, 2)))
}

function end_comment() {
  if (in_code) print indent "/// @endcode"
  in_code = 0
  empty = 0
}

FILENAME ~ /\.md$/ {
  if (/^```/) fence = !fence
  if (/^<!--/ && !fence) hidden = 1
  if (!hidden) gsub(/src="docs\//, "src=\"")
  print hidden ? "" : $0
  if (/-->$/) hidden = 0
  next
}

/SPDX-License-Identifier/ && FNR <= 2 {
  print ""
  top = /^\/\//
  next
}
FNR == 1 { top = /^\/\// }
top && /^\/\// {
  comment(substr($0, 3))
  next
}
top { # #pragma once
  end_comment()
  print "/// @file"
  top = 0
  next
}
/^ *\/\/\/( |$)/ {
  match($0, /^ */)
  indent = substr($0, 1, RLENGTH)
  comment(substr($0, RLENGTH + 4))
  next
}
{
  end_comment()
  print / = (default|delete);$/ && !/operator==/ ? "" : $0 # which would be half of every class
}
