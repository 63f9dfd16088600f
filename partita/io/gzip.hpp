// SPDX-License-Identifier: Apache-2.0
// Bytes compressed by `gzip`.
//
//   std::string bytes = partita::read_file("images.gz");
//   if (partita::is_gzip(bytes)) bytes = partita::gunzip("images.gz", bytes);
#pragma once

#include <string>
#include <string_view>

namespace partita {

/// Whether the bytes begin like a gzip file (RFC 1952: deflate is its only method).
bool is_gzip(std::string_view bytes);

/// The contents of a gzip file, all of its members concatenated. `name` is its path, for errors.
/// @throws DataError with the offset in the compressed bytes: cut short, damaged, or followed by
///         something else
std::string gunzip(std::string_view name, std::string_view bytes);

}  // namespace partita
