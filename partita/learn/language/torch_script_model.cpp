// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/torch_script_model.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <exception>
#include <string>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/language/internal/length_groups.hpp"

namespace partita::language {
namespace {

/// libtorch's error messages run to pages. The reason is in the last line of Python
/// ("builtins.ValueError: ..."), or if there is none, in the first line.
std::string reason(const std::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find("\nException raised from"));
  constexpr std::string_view kMark = "Error: ";
  const std::size_t python = text.rfind(kMark);
  if (python != std::string::npos) text = text.substr(python + kMark.size());
  return text.substr(0, text.find('\n'));
}

}  // namespace

struct TorchScriptModel::Module {
  mutable torch::jit::Module module;  // forward() is not const
};

TorchScriptModel::TorchScriptModel(const std::filesystem::path& path,
                                   const TorchScriptOptions& options)
    : module_(std::make_unique<Module>()), path_(path.string()), options_(options) {
  const MappedFile file(path);  // for its errors, which name the reason
  try {
    module_->module = torch::jit::load(path_, options.device);
  } catch (const std::exception& error) {
    throw DataError(path_, "expected a TorchScript module: " + reason(error));
  }
  module_->module.eval();
  const Token any = std::max(options.start_token, 0);
  vocabulary_size_ =
      static_cast<std::size_t>(last_logits(at::full({1, 1}, any, at::kLong)).size(1));
  if (options.vocabulary_size != 0 && options.vocabulary_size != vocabulary_size_) {
    throw DataError(path_, fmt::format("gives logits for {} tokens, expected {}", vocabulary_size_,
                                       options.vocabulary_size));
  }
  check_between("end_token", options.end_token, -1, vocabulary_size_ - 1, "-1: none");
  check_between("start_token", options.start_token, -1, vocabulary_size_ - 1, "-1: none");
}

TorchScriptModel::~TorchScriptModel() = default;

/// [rows, V] after the last of [rows, T].
Tensor TorchScriptModel::last_logits(const Tensor& tokens) const {
  const at::NoGradGuard no_grad;
  const auto answer = [&] {
    try {
      return module_->module.forward({tokens.to(options_.device)});
    } catch (const std::exception& error) {
      throw DataError(path_, fmt::format("fails on int64 tokens {}: {}", to_string(tokens.sizes()),
                                         reason(error)));
    }
  }();
  const std::string expected =
      fmt::format("expected logits [{0}, {1}, V] or [{0}, V] for tokens [{0}, {1}]", tokens.size(0),
                  tokens.size(1));
  if (!answer.isTensor()) {
    throw DataError(path_, fmt::format("{}, got {}", expected, answer.tagKind()));
  }
  const Tensor& logits = answer.toTensor();
  const bool whole = logits.dim() == 3 && logits.size(1) == tokens.size(1);
  const bool proper = (whole || logits.dim() == 2) && logits.size(0) == tokens.size(0) &&
                      logits.size(-1) > 0 && logits.is_floating_point();
  if (!proper) {
    throw DataError(path_,
                    fmt::format("{}, got {} {}", expected, c10::toString(logits.scalar_type()),
                                to_string(logits.sizes())));
  }
  return whole ? logits.select(1, logits.size(1) - 1) : logits;
}

void TorchScriptModel::next_logits(std::span<const Sequence> prefixes, DecodingState* /*state*/,
                                   MutableRows logits) const {
  for (const auto& rows : rows_by_length(prefixes)) {
    const bool starts = options_.start_token >= 0;
    if (!starts && prefixes[rows.front()].empty()) {
      throw InvalidArgument("prompt", "expected a token: the model has no start token");
    }
    Tensor tokens = tokens_of(prefixes, rows, options_.start_token);
    if (!starts) tokens = tokens.narrow(1, 1, tokens.size(1) - 1);
    const Tensor values = last_logits(tokens);
    if (values.size(1) != static_cast<std::int64_t>(vocabulary_size_)) {
      throw DataError(path_, fmt::format("expected {} logits (the vocabulary), got {}",
                                         vocabulary_size_, values.size(1)));
    }
    write_rows(values, rows, logits);
  }
}

}  // namespace partita::language
