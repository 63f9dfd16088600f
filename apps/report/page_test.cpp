// SPDX-License-Identifier: Apache-2.0
#include "apps/report/page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "apps/report/html.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Page, HoldsEverythingEscapedAndNamesNoAddress) {
  Page page("A & B", "sub <title>");
  page.heading("One < two");
  page.paragraph("\"quoted\"");
  page.tables({{.caption = "words",
                .columns = {{"w", Align::left}, {"p", Align::right}},
                .rows = {{Cell("<i>", true), "0.5"}}}});
  page.figures({{"<svg></svg>", "cap > tion"}});
  page.note("seed 1");
  const std::string html = page.html();
  for (const char* text :
       {"<title>A &amp; B</title>", "sub &lt;title&gt;", "One &lt; two", "&quot;quoted&quot;",
        "<td><mark>&lt;i&gt;</mark></td>", "<td class=\"right\">0.5</td>", "cap &gt; tion",
        "<svg></svg>", "prefers-color-scheme: dark", "width=device-width"}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
  for (const char* text : {"http", "src=", "url(", "@import", "<script"})
    EXPECT_THAT(html, Not(HasSubstr(text)));
  EXPECT_THROW(page.table({.caption = "", .columns = {{"a", Align::left}}, .rows = {{"1", "2"}}}),
               InvalidArgument);
}

TEST(Html, EscapesTheFive) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

}  // namespace
}  // namespace partita
