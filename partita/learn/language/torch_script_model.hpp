// A TorchScript module, tokens -> logits, as what a search takes: a model that was trained in
// Python, used as it is.
//
//   # Python
//   class Logits(torch.nn.Module):
//       def __init__(self, model): super().__init__(); self.model = model
//       def forward(self, tokens):                # int64 [B, T]
//           return self.model(tokens).logits      # [B, T, V], or [B, V] after the last token
//   torch.jit.trace(Logits(model), torch.zeros(2, 3, dtype=torch.long)).save("model.ts")
//
//   partita::TorchScriptModel model("model.ts", {.end_token = 50256, .start_token = 50256});
//   auto beam = partita::stochastic_beam_search(model, 32, {.seed = 1}, {.max_length = 40});
//
// The module is asked for whole prefixes at every step: nothing is known of its caches. (A model of
// one's own keeps them by deriving from SequenceModel and DecodingState.)
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "partita/learn/tensor.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita {

struct TorchScriptOptions {
  Token end_token = -1;    ///< -1: only the maximum length ends a sequence
  Token start_token = -1;  ///< put before every prefix; -1: nothing is, and prompts hold a token
  std::size_t vocabulary_size = 0;  ///< what it must be; 0: whatever the module gives
  std::string device = "cpu";
};

/// Runs from several threads at once as far as the module does (those of PyTorch's layers do).
class TorchScriptModel final : public SequenceModel {
 public:
  /// Loads the module, in evaluation mode, and asks it about one token to learn its vocabulary.
  /// @throws IoError, DataError if it is no TorchScript module or does not turn int64 [B, T] into
  ///         floating-point [B, T, V] or [B, V]; InvalidArgument if a token is not in 0 ... V - 1.
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

}  // namespace partita
