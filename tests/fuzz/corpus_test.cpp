// SPDX-License-Identifier: Apache-2.0
// Every fuzz target on the files of its corpus. A target aborts where a promise is broken; the last
// name that was printed says for which file.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <set>
#include <string>

#include "partita/io/file.hpp"

#define TARGET(name) extern "C" int name##_fuzz(const std::uint8_t* data, std::size_t size);
#include "fuzz_targets.inc"
#undef TARGET

namespace partita {
namespace {

void run_corpus(const std::string& name, int (*target)(const std::uint8_t*, std::size_t)) {
  std::set<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(PARTITA_CORPUS) / name)) {
    paths.insert(entry.path());
  }
  EXPECT_GE(paths.size(), 2U);
  for (const std::filesystem::path& path : paths) {
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);
    const std::string bytes = read_file(path);
    for (const std::size_t size : {bytes.size(), bytes.size() / 2}) {
      target(reinterpret_cast<const std::uint8_t*>(bytes.data()), size);
    }
  }
}

#define TARGET(name) \
  TEST(Corpus, name) { run_corpus(#name, name##_fuzz); }
#include "fuzz_targets.inc"
#undef TARGET

}  // namespace
}  // namespace partita
