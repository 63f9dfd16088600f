// SPDX-License-Identifier: Apache-2.0
// A user of the installed package's llama.cpp component.
#include <partita/base/error.hpp>
#include <partita/llama/llama_model.hpp>
#include <partita/llama/llama_sampler.hpp>

#include <cstdio>

int main() try {
  const partita::LlamaModel model("none.gguf", {.sequences = 4});
  return 1;
} catch (const partita::IoError& error) {
  std::printf("%s\n", error.what());
  return 0;
}
