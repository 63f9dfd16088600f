// SPDX-License-Identifier: Apache-2.0
// Opens a page in headless Chromium, as a reader would, and reports what is wrong with it.
#pragma once

#include <string>

namespace partita::testing {

/// Whether there is a Chromium; without one no page has problems.
bool has_browser();

/// At 400 and at 1400 pixels: what the console says, figures that show nothing, a page wider than
/// the screen. Empty if all is well.
std::string problems_of_page(const std::string& path);

}  // namespace partita::testing
