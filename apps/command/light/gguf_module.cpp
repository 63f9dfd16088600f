// SPDX-License-Identifier: Apache-2.0
// libpartita_llama_module.so: what the command needs llama.cpp for.
#include <llama.h>

#include <algorithm>
#include <memory>

#include "apps/command/light/gguf.hpp"
#include "partita/base/error.hpp"
#include "partita/llama/llama_model.hpp"

namespace partita::app {
namespace {

TextGenerator open(const ModelFile& file) {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);  // what matters is thrown
  LlamaOptions options{.context = file.context,
                       .threads = file.threads,
                       .batch_invariant = !file.fast,
                       .gpu = file.device != Device::cpu};
  if (file.prefixes != 0) options.sequences = std::min<std::size_t>(file.prefixes, 256);
  auto model = std::make_shared<LlamaModel>(file.path, options);
  if (!file.start_token.empty()) {
    options.start_token = model->find(file.start_token);
    if (!options.start_token) {
      throw InvalidArgument("--start-token",
                            "expected a token of the model, got " + file.start_token);
    }
    model = std::make_shared<LlamaModel>(file.path, options);
  }
  return {.kind = "gguf",
          .model = model,
          .encode = [model](std::string_view text) { return model->encode(text); },
          .decode = [model](std::span<const Token> tokens) { return model->decode(tokens); },
          .threaded = true};
}

}  // namespace
}  // namespace partita::app

extern "C" __attribute__((visibility("default"))) const partita::app::OpenGguf partita_open_gguf =
    partita::app::open;
