// SPDX-License-Identifier: Apache-2.0
// Text for HTML.
#pragma once

#include <string>
#include <string_view>

namespace partita {

/// The text with &, <, >, " and ' escaped, for text and for attributes.
std::string escape_html(std::string_view text);

}  // namespace partita
