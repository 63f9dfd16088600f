// Text for HTML.
#pragma once

#include <string>
#include <string_view>

namespace partita {

/// With &, <, >, " and ' written so that they stand for themselves, in text and in attributes.
std::string escape_html(std::string_view text);

}  // namespace partita
