// SPDX-License-Identifier: Apache-2.0
// libpartita_sentencepiece.so: the only file that includes SentencePiece.
#include "partita/text/internal/sentence_pieces_module.hpp"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <stdexcept>

namespace partita {
namespace {

void check(const sentencepiece::util::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::span<const std::string> lines) : lines_(lines) {}
  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return lines_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::span<const std::string> lines_;
  std::size_t at_ = 0;
};

class Processor final : public SentencePieces::Model {
 public:
  explicit Processor(std::string_view model) { check(processor_.LoadFromSerializedProto(model)); }

  int size() const override { return processor_.GetPieceSize(); }
  int start() const override { return processor_.bos_id(); }
  int end() const override { return processor_.eos_id(); }
  int unknown() const override { return processor_.unk_id(); }
  int find(std::string_view piece) const override { return processor_.PieceToId(piece); }
  std::vector<int> encode(std::string_view text) const override {
    std::vector<int> tokens;
    check(processor_.Encode(text, &tokens));
    return tokens;
  }
  std::string decode(const std::vector<int>& tokens) const override {
    std::string text;
    check(processor_.Decode(tokens, &text));
    return text;
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

std::string train(std::span<const std::string> lines, std::size_t vocabulary) {
  constexpr std::size_t kLeast = 10;  // SentencePiece's least max_sentence_length
  std::size_t longest = kLeast;
  for (const std::string& line : lines) longest = std::max(longest, line.size());
  Lines iterator(lines);
  std::string model;
  check(sentencepiece::SentencePieceTrainer::Train(
      {{"model_type", "unigram"},
       {"vocab_size", std::to_string(vocabulary)},
       {"hard_vocab_limit", "false"},
       {"eos_id", "0"},
       {"unk_id", "1"},
       {"bos_id", "-1"},
       {"pad_id", "-1"},
       // Nothing is lost: every character is a piece, and no text is normalized.
       {"character_coverage", "1.0"},
       {"normalization_rule_name", "identity"},
       {"remove_extra_whitespaces", "false"},
       {"max_sentence_length", std::to_string(longest)},
       {"num_threads", "1"},  // sums of several threads would depend on their number
       {"minloglevel", "2"}},
      &iterator, &model));
  return model;
}

std::unique_ptr<const SentencePieces::Model> load(std::string_view model) {
  return std::make_unique<Processor>(model);
}

}  // namespace
}  // namespace partita

extern "C" __attribute__((visibility("default")))
const partita::SentencePieceFunctions partita_sentencepiece_functions = {partita::train,
                                                                         partita::load};
