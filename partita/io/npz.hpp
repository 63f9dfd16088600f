// SPDX-License-Identifier: Apache-2.0
// NumPy's .npz files: a zip archive with one .npy file per array, as numpy.savez and
// numpy.savez_compressed write it.
//
//   partita::NpzFile file("outputs.npz");
//   for (const std::string& name : file.names()) std::cout << name << '\n';
//   std::string_view npy = file.member("predictions");   // a whole .npy file
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "partita/io/file.hpp"

namespace partita {

/// The .npy files in a zip archive. Stored members are views of the mapped file; deflated ones are
/// inflated on request. Either way their CRC-32 is checked.
class NpzFile {
 public:
  /// Reads the archive's directory (zip and zip64). @throws IoError, DataError
  explicit NpzFile(const std::filesystem::path& path);
  /// The same of a file that is open; `name` stands for its path in errors.
  NpzFile(std::string name, MappedFile file);

  /// The names of the arrays, without ".npy", in the order of the archive.
  std::vector<std::string> names() const;

  /// The .npy file of an array, valid while this object lives. @throws DataError if no array has
  /// this name, or its bytes are damaged
  std::string_view member(std::string_view name);

 private:
  struct Entry {
    std::string name;
    std::uint32_t method = 0;
    std::uint32_t crc = 0;
    std::uint64_t packed = 0;
    std::uint64_t size = 0;
    std::uint64_t header = 0;  // offset of the member's own header
  };
  void read_directory();
  std::string_view packed_bytes(const Entry& entry) const;

  std::string name_;
  MappedFile file_;
  std::vector<Entry> entries_;
  std::map<std::string, std::string, std::less<>> inflated_;
};

}  // namespace partita
