// SPDX-License-Identifier: Apache-2.0
// Shared by the language models.
#pragma once

#include <cstdint>

namespace partita::language {

/// @throws InvalidArgument naming the option that is out of range.
void check_language_model(std::int64_t vocabulary, std::int64_t dim, std::int64_t layers,
                          double dropout);

}  // namespace partita::language
