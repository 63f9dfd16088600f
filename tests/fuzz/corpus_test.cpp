// SPDX-License-Identifier: Apache-2.0
// Every fuzz target on the files of its corpus, and on files made of them by random changes, which
// follow from a seed: what a compiler without libFuzzer can do. Where a promise is broken the
// target aborts, and the input lies in crash-TARGET. More changes of each file:
//
//   PARTITA_FUZZ_CHANGES=100000 corpus_test --gtest_filter=*.npz
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"

#define TARGET(name) extern "C" int name##_fuzz(const std::uint8_t* data, std::size_t size);
#include "fuzz_targets.inc"
#undef TARGET

namespace partita {
namespace {

using Target = int (*)(const std::uint8_t*, std::size_t);

std::string input;       // what a target is given now
std::string crash_file;  // where it is kept if it is the last one

void keep_input(int signal) {
  const int fd = ::open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  [[maybe_unused]] const auto written = ::write(fd, input.data(), input.size());
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void give(Target target, std::string bytes) {
  input = std::move(bytes);
  target(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

/// A file with a few bytes changed, left out, repeated, or taken from another file.
std::string changed(std::string bytes, const std::string& other, const Stream& stream) {
  std::uint64_t position = 0;
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(stream.bits(position++) % std::max<std::size_t>(n, 1));
  };
  constexpr std::size_t kLongestPart = 16;
  for (std::size_t left = 1 + below(4); left > 0; --left) {
    const std::size_t at = below(bytes.size() + 1);
    switch (below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(at, 1 + below(kLongestPart));
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), 1 + below(kLongestPart)));
        break;
      case 4:
        bytes.insert(at, other.substr(below(other.size() + 1), 1 + below(kLongestPart)));
        break;
      default:
        bytes.replace(at, 1, 1 + below(4), static_cast<char>(below(2) == 0 ? 0 : 255));
    }
  }
  return bytes;
}

void run_corpus(const std::string& name, Target target) {
  const char* const more = std::getenv("PARTITA_FUZZ_CHANGES");  // NOLINT(concurrency-mt-unsafe)
  const std::uint64_t changes = more == nullptr ? 25 : std::strtoull(more, nullptr, 10);
  crash_file = std::filesystem::current_path() / ("crash-" + name);
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) ::signal(signal, keep_input);
  std::set<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(PARTITA_CORPUS) / name)) {
    paths.insert(entry.path());
  }
  std::vector<std::string> files;
  for (const std::filesystem::path& path : paths) files.push_back(read_file(path));
  EXPECT_GE(files.size(), 2U);
  for (std::size_t i = 0; i < files.size(); ++i) {
    give(target, files[i]);
    give(target, files[i].substr(0, files[i].size() / 2));
    for (std::uint64_t change = 0; change < changes; ++change) {
      const Stream stream = Stream{.seed = 1}.child(i).child(change);
      give(target, changed(files[i], files[(i + 1) % files.size()], stream));
    }
  }
}

#define TARGET(name) \
  TEST(Corpus, name) { run_corpus(#name, name##_fuzz); }
#include "fuzz_targets.inc"
#undef TARGET

}  // namespace
}  // namespace partita
