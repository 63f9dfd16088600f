// SPDX-License-Identifier: Apache-2.0
// Manual pages, in roff's man macros.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace partita::app {

struct ManualPage {
  std::string file;  ///< partita-lm-train.1
  std::string text;
};

/// A page for `app`, which is partita, and one for each command below it.
std::vector<ManualPage> manual_pages(const CLI::App& app, const std::string& version);

}  // namespace partita::app
