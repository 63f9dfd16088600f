// SPDX-License-Identifier: Apache-2.0
// A TorchScript module, tokens -> logits, as a sequence model for searches: a model trained in
// Python, used unchanged.
//
//   # Python
//   class Logits(torch.nn.Module):
//       def __init__(self, model): super().__init__(); self.model = model
//       def forward(self, tokens):                # int64 [B, T]
//           return self.model(tokens).logits      # [B, T, V], or [B, V] after the last token
//   torch.jit.trace(Logits(model), torch.zeros(2, 3, dtype=torch.long)).save("model.ts")
//
//   partita::language::TorchScriptModel model("model.ts",
//                                             {.end_token = 50256, .start_token = 50256});
//   auto beam = partita::stochastic_beam_search(model, {}, 32, {.seed = 1}, {.max_length = 40});
//
// The module is given whole prefixes at every step, since nothing is known about its caches. (To
// keep caches, derive your own model from SequenceModel and DecodingState.)
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "partita/learn/tensor.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita::language {

struct TorchScriptOptions {
  Token end_token = -1;    ///< -1: only the maximum length ends a sequence
  Token start_token = -1;  ///< put before every prefix; -1: none, and prompts must not be empty
  std::size_t vocabulary_size = 0;  ///< expected size; 0: whatever the module gives
  at::Device device = at::kCPU;
};

/// May be called from several threads at once if the module may (PyTorch's layers may).
class TorchScriptModel final : public SequenceModel {
 public:
  /// Loads the module, in evaluation mode, and calls it on one token to learn the size of its
  /// vocabulary.
  /// @throws IoError, DataError if it is not a TorchScript module or does not turn int64 [B, T]
  ///         into floating-point [B, T, V] or [B, V]; InvalidArgument unless tokens are in
  ///         [0, V).
  explicit TorchScriptModel(const std::filesystem::path& path,
                            const TorchScriptOptions& options = {});
  ~TorchScriptModel() override;

  std::size_t vocabulary_size() const override { return vocabulary_size_; }
  Token end_token() const override { return options_.end_token; }
  DType logits_dtype() const override { return DType::f32; }
  /// @throws DataError if the module fails or its answer has another shape;
  ///         InvalidArgument if a prefix is empty and there is no start token.
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

 private:
  Tensor last_logits(const Tensor& tokens) const;

  struct Module;
  std::unique_ptr<Module> module_;
  std::string path_;
  TorchScriptOptions options_;
  std::size_t vocabulary_size_ = 0;
};

}  // namespace partita::language
