// SPDX-License-Identifier: Apache-2.0
// What the documentation says is true: its commands run and print what it shows, its options exist,
// its CMake lines are those that the install test builds, its Python runs, its links lead
// somewhere. The C++ is in tests of its own (generate.cpp).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "blocks.hpp"
#include "folder.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

namespace fs = std::filesystem;

#ifdef PARTITA_LEARN
constexpr bool kLearn = true;
#else
constexpr bool kLearn = false;
#endif

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

/// Runs a script with the built command on the PATH.
Outcome run_sh(const std::string& script) {
  write_file("script", "set -eu\nPATH='" + fs::path(PARTITA_COMMAND).parent_path().string() +
                           "':$PATH\n" + script);
  const int status = std::system("sh script >out 2>err </dev/null");  // NOLINT: of our own pages
  return {status, read_file("out"), read_file("err")};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The words of each command: lines, joined where they end in a backslash, without comments.
std::vector<std::vector<std::string>> commands_of(const std::string& script) {
  std::vector<std::vector<std::string>> commands;
  std::istringstream lines(std::regex_replace(script, std::regex(R"(\\\n|#[^\n]*)"), " "));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    if (!words.empty()) commands.push_back(words);
  }
  return commands;
}

/// Whether `text` is `pattern`, in which "…" stands for anything.
bool matches(const std::string& text, const std::string& pattern) {
  constexpr std::string_view kAnything = "…";
  std::size_t at = 0;
  std::size_t begin = 0;
  for (bool anchored = true;; anchored = false) {
    const std::size_t end = pattern.find(kAnything, begin);
    const std::string part = pattern.substr(begin, end - begin);
    if (end == std::string::npos && !anchored) {
      return text.size() - at >= part.size() && text.ends_with(part);
    }
    const std::size_t found = text.find(part, at);
    if (found == std::string::npos || (anchored && found != 0)) return false;
    at = found + part.size();
    if (end == std::string::npos) return at == text.size();
    begin = end + kAnything.size();
  }
}

class Docs : public FolderTest, public ::testing::WithParamInterface<std::string> {
 protected:
  static fs::path page() { return fs::path(PARTITA_SOURCE) / GetParam(); }
  static std::string place(const Block& block) {
    return GetParam() + ":" + std::to_string(block.line);
  }

  /// The options of a command that is not run are in its help.
  static void look_up(const std::vector<std::string>& words) {
    std::string command = words[0] + " " + words[1];
    if (words[0] == "./dev") {
      const Outcome help = run_sh("'" PARTITA_SOURCE "/dev' help");
      EXPECT_NE((help.out + ' ').find(command), std::string::npos) << command;
      return;
    }
    Outcome help = run_sh(command + " --help");
    if (help.out.find("SUBCOMMAND") != std::string::npos) {
      command += " " + words[2];
      help = run_sh(command + " --help");
    }
    if (help.status != 0 && !kLearn) return;
    ASSERT_EQ(help.status, 0) << command << '\n' << help.err;
    EXPECT_NE(help.out.find("Usage: " + command + " "), std::string::npos) << command;
    for (std::string word : words) {
      if (word.size() < 2 || word[0] != '-') continue;
      word = word.substr(0, word.find('='));
      EXPECT_TRUE(std::regex_search(help.out, std::regex("[ ,]" + word + "[ ,\n]")))
          << command << " has no " << word;
    }
  }
};

TEST_P(Docs, EveryBlockIsOfAKindThatIsTested) {
  const std::set<std::string> kinds = {"c", "cpp", "sh", "text", "cmake", "python", "math"};
  for (const Block& block : read_blocks(page())) {
    EXPECT_TRUE(kinds.contains(block.language)) << place(block) << ": '" << block.language << "'";
    if (block.language == "text" || block.language == "cmake") {
      EXPECT_EQ(block.setup + block.not_run, "") << place(block);
    }
  }
}

TEST_P(Docs, CommandsRun) {
  std::string printed;
  bool ran = false;  // the block before
  for (const Block& block : read_blocks(page())) {
    SCOPED_TRACE(place(block));
    if (block.language == "text" && block.follows && ran) {
      EXPECT_TRUE(matches(printed, block.code)) << "printed:\n"
                                                << printed << "page:\n"
                                                << block.code;
    }
    ran = block.language == "sh" && block.not_run.empty();
    if (block.language != "sh") continue;
    if (!ran) {
      for (const std::vector<std::string>& words : commands_of(block.code)) {
        if (words.size() > 1 && (words[0] == "partita" || words[0] == "./dev")) look_up(words);
      }
      continue;
    }
    const Outcome outcome = run_sh(block.setup + block.code);
    // The rest of the page may need what this build lacks.
    if (outcome.err.find("GGUF files need llama.cpp") != std::string::npos) {
      GTEST_SKIP() << "the rest needs llama.cpp";
    }
    if (outcome.status != 0 && !kLearn &&
        std::regex_search(outcome.err, std::regex("PARTITA_LEARN=OFF|expected a command"))) {
      GTEST_SKIP() << "the rest needs libtorch";
    }
    ASSERT_EQ(outcome.status, 0) << block.code << outcome.out << outcome.err;
    printed = outcome.out;
  }
}

TEST_P(Docs, CMakeLinesAreThoseOfTheInstallTest) {
  std::set<std::string> built;
  const auto trimmed = [](const std::string& line) {
    return std::regex_replace(line, std::regex("^ +| *#.*$"), "");
  };
  for (const std::string& line :
       lines_of(read_file(PARTITA_SOURCE "/tests/install/outside/CMakeLists.txt"))) {
    built.insert(trimmed(line));
  }
  for (const Block& block : read_blocks(page())) {
    if (block.language != "cmake") continue;
    for (const std::string& line : lines_of(block.code)) {
      EXPECT_TRUE(built.contains(trimmed(line))) << place(block) << ": " << line;
    }
  }
}

/// The blocks of a page are one script.
TEST_P(Docs, PythonRuns) {
  std::string script;
  for (const Block& block : read_blocks(page())) {
    if (block.language == "python" && block.not_run.empty()) script += block.setup + block.code;
  }
  if (script.empty()) return;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "Python has not loaded the sanitizer";
#endif
  const std::string python = "LD_LIBRARY_PATH='" PARTITA_C_FOLDER
                             "' PYTHONPATH='" PARTITA_PYTHONPATH "' /usr/bin/python3 ";
  for (const std::string module : {"torch", "partita", "partita.torch"}) {
    const bool needed = script.find("import " + module) != std::string::npos ||
                        script.find("from " + module) != std::string::npos;
    if (!needed) continue;
    if (run_sh(python + "-c 'import " + module + "'").status != 0) {
      GTEST_SKIP() << "no Python with " << module;
    }
  }
  write_file("page.py", script);
  const Outcome outcome = run_sh(python + "page.py");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST_P(Docs, LinksLeadSomewhere) {
  const std::string text = read_file(page());
  const std::regex link(R"(\]\(([^)#: ]+)(#[^)]*)?\)|(src|srcset)="([^":]+)\")");
  for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it) {
    const std::string target = (*it)[1].matched ? (*it)[1] : (*it)[4];
    EXPECT_TRUE(fs::exists(page().parent_path() / target)) << GetParam() << ": " << target;
  }
}

std::string test_name(const ::testing::TestParamInfo<std::string>& page) {
  return fs::path(page.param).stem().string();
}

INSTANTIATE_TEST_SUITE_P(Page, Docs, ::testing::Values(PARTITA_PAGES), test_name);

}  // namespace
}  // namespace partita::testing
