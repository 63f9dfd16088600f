// SPDX-License-Identifier: Apache-2.0
// Writes the cpp blocks of pages as GoogleTest sources, one test per block: those that include
// libtorch's part into OUT/learn.cpp, llama.cpp's into OUT/llama.cpp, ONNX Runtime's into
// OUT/onnx.cpp, the others into OUT/light.cpp. The c blocks are programs in OUT/c.c, called from
// tests of light.cpp.
//
//   docs_generate OUT PAGE.md...
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "blocks.hpp"

namespace {

using partita::testing::Block;

/// A source file in the making.
struct Source {
  std::set<std::string> includes = {};
  std::string tests = {};

  /// Code with its #include lines moved to the top of the file.
  std::string without_includes(const std::string& code) {
    std::istringstream lines(code);
    std::string rest;
    for (std::string line; std::getline(lines, line); rest += '\n') {
      if (line.starts_with("#include")) {
        includes.insert(line);
      } else {
        rest += line;
      }
    }
    return rest;
  }

  void add(const std::string& page, const Block& block) {
    const std::string name = partita::testing::name_of(page, block);
    tests += block.not_run.empty() ? "TEST_F(Code, " + name + ") {\n"
                                   : "[[maybe_unused]] void " + name + "() {\n";
    tests += without_includes(block.setup) + "#line " + std::to_string(block.line) + " \"" + page +
             "\"\n" + without_includes(block.code) + "}\n\n";
  }

  /// A program in `c`, its main() renamed, and the test that calls it.
  void add_c(const std::string& page, const Block& block, Source& c) {
    const std::string name = partita::testing::name_of(page, block) + "_main";
    c.tests += "#define main " + name + "\n" + c.without_includes(block.setup) + "#line " +
               std::to_string(block.line) + " \"" + page + "\"\n" + c.without_includes(block.code) +
               "#undef main\n\n";
    tests += "extern \"C\" int " + name + "();\nTEST_F(Code, " + name + ") { EXPECT_EQ(" + name +
             "(), 0); }\n\n";
  }

  std::string c_text() const {
    std::string out;
    for (const std::string& include : includes) out += include + '\n';
    return out + tests;
  }

  std::string text() const {
    std::string out = "#include <gtest/gtest.h>\n#include \"folder.hpp\"\n";
    for (const std::string& include : includes) out += include + '\n';
    return out + "class Code : public partita::testing::FolderTest {};\n\n" + tests;
  }
};

/// Writes a file unless it holds that already, so that nothing is compiled in vain.
void write(const std::string& path, const std::string& text) {
  std::ifstream in(path);
  if (in && std::string(std::istreambuf_iterator<char>(in), {}) == text) return;
  std::ofstream(path) << text;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string out = argv[1];
  Source light;
  Source learn;
  Source llama;
  Source onnx;
  Source c;
  for (int i = 2; i < argc; ++i) {
    for (const Block& block : partita::testing::read_blocks(argv[i])) {
      if (block.language == "c") light.add_c(argv[i], block, c);
      if (block.language != "cpp") continue;
      const std::string code = block.setup + block.code;
      const auto includes = [&](const char* folder) {
        return code.find(std::string("#include <partita/") + folder) != std::string::npos;
      };
      (includes("learn/")   ? learn
       : includes("llama/") ? llama
       : includes("onnx/")  ? onnx
                            : light)
          .add(argv[i], block);
    }
  }
  write(out + "/light.cpp", light.text());
  write(out + "/learn.cpp", learn.text());
  write(out + "/llama.cpp", llama.text());
  write(out + "/onnx.cpp", onnx.text());
  write(out + "/c.c", c.c_text());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
