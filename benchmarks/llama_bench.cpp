// SPDX-License-Identifier: Apache-2.0
// What a search costs over llama.cpp's own decoding: ./dev bench llama
//
// GGUF models of random weights and 32,000 tokens; stochastic beam search against a bare loop of
// llama_decode() over as many tokens, in a context with the same parameters.
#include <llama.h>

#include <filesystem>
#include <string>
#include <vector>

#include "compare.hpp"
#include "partita/llama/llama_model.hpp"
#include "partita/llama/llama_test_support.hpp"
#include "partita/search/stochastic_beam.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

constexpr std::size_t kVocabulary = 32000;
constexpr std::size_t kSteps = 16;
const Sequence kPrompt(32, 5);

/// The loop of a program that decodes k texts side by side, and looks at no logits.
class BareLoop {
 public:
  BareLoop(const std::string& path, std::size_t k) : k_(k) {
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    llama_model_params model = llama_model_default_params();
    model.n_gpu_layers = 0;
    model_ = llama_model_load_from_file(path.c_str(), model);
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 256 * ((kPrompt.size() + k * kSteps) / 256 + 1);
    params.n_seq_max = static_cast<std::uint32_t>(k);
    params.n_threads = params.n_threads_batch = 1;
    params.kv_unified = true;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    context_ = llama_init_from_model(model_, params);
  }
  ~BareLoop() {
    llama_free(context_);
    llama_model_free(model_);
  }
  BareLoop(const BareLoop&) = delete;
  BareLoop& operator=(const BareLoop&) = delete;

  void run() {
    const llama_memory_t memory = llama_get_memory(context_);
    llama_memory_clear(memory, false);
    llama_batch batch = llama_batch_init(512, 0, 1);
    const auto add = [&](Token token, std::size_t position, std::size_t sequence, bool wanted) {
      const auto i = batch.n_tokens++;
      batch.token[i] = token;
      batch.pos[i] = static_cast<llama_pos>(position);
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = static_cast<llama_seq_id>(sequence);
      batch.logits[i] = wanted ? 1 : 0;
    };
    add(1, 0, 0, false);
    for (std::size_t i = 0; i < kPrompt.size(); ++i) {
      add(kPrompt[i], i + 1, 0, i + 1 == kPrompt.size());
    }
    llama_decode(context_, batch);
    for (std::size_t s = 1; s < k_; ++s) {
      llama_memory_seq_cp(memory, 0, static_cast<llama_seq_id>(s), -1, -1);
    }
    for (std::size_t step = 1; step < kSteps; ++step) {
      batch.n_tokens = 0;
      for (std::size_t s = 0; s < k_; ++s) {
        add(static_cast<Token>(7 + 31 * s + step), kPrompt.size() + step, s, true);
      }
      llama_decode(context_, batch);
      llama_get_logits(context_);  // waits until they are there
    }
    llama_batch_free(batch);
  }

 private:
  std::size_t k_;
  llama_model* model_;
  llama_context* context_;
};

void compare_search(const std::string& path, std::size_t embedding, std::size_t layers,
                    std::size_t k) {
  testing::TinyTransformer transformer{.vocabulary = kVocabulary,
                                       .embedding = embedding,
                                       .layers = layers,
                                       .heads = embedding / 64,
                                       .key_heads = embedding / 128,
                                       .hidden = 3 * embedding,
                                       .context = 512};
  transformer.draw();
  write_gguf(transformer, path);
  const LlamaModel model(path, {.sequences = k});
  BareLoop bare(path, k);
  // A text of 16 tokens hardly ever ends before (at about 1/V a token), so every step decodes k.
  std::uint64_t seed = 0;
  Sequence prompt = kPrompt;
  const Comparison result =
      compare({[&] { bare.run(); },
               [&] {
                 // Another prompt each time: none of it is still in the cache.
                 prompt[0] = static_cast<Token>(100 + ++seed % 1000);
                 stochastic_beam_search(model, prompt, k, {.seed = seed}, {.max_length = kSteps});
               }});
  print_row({fmt::format("dim {}, {} layers", embedding, layers), std::to_string(k),
             fmt::format("{:.2f}", 1e3 * result.seconds / kSteps),
             fmt::format("{:+.1f} %", 100 * (result.ratios[0] - 1))});
}

}  // namespace

int main() {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "partita_bench.gguf";
  fmt::print("Stochastic beam search over llama.cpp, V = {}, {} steps, one thread\n\n", kVocabulary,
             kSteps);
  print_header({"model", "k", "llama_decode alone, ms per step", "with the search"});
  for (const std::size_t k : {8, 32}) {
    compare_search(path, 256, 2, k);
    compare_search(path, 512, 4, k);
    compare_search(path, 1024, 8, k);
  }
  std::filesystem::remove(path);
}
