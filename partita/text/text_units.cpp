// SPDX-License-Identifier: Apache-2.0
#include "partita/text/text_units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/embedding/vocabulary.hpp"
#include "partita/io/text.hpp"

namespace partita {

/// What the kinds have in common.
struct TextUnits::Codec {
  Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;
  virtual ~Codec() = default;
  virtual UnitKind kind() const = 0;
  virtual std::size_t size() const = 0;
  virtual Token end() const = 0;
  virtual std::optional<Token> unknown() const { return std::nullopt; }
  virtual Sequence encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const Token> tokens) const = 0;
  virtual void write(ArchiveWriter& out) const = 0;
};

namespace {

constexpr const char* kUnknown = "<unk>";

/// Items in the order listed, after `first` tokens, of which token 0 is the end.
template <class Item, std::size_t first>
class Listed : public TextUnits::Codec {
 public:
  explicit Listed(std::vector<Item> items) : items_(std::move(items)) {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      index_.emplace(items_[i], static_cast<Token>(i + first));
    }
  }

  bool different() const { return index_.size() == items_.size(); }
  std::size_t size() const override { return items_.size() + first; }
  Token end() const override { return 0; }

 protected:
  const std::vector<Item>& items() const { return items_; }
  const Item& item(Token token) const { return items_.at(static_cast<std::size_t>(token) - first); }
  std::optional<Token> find(const Item& item) const {
    const auto found = index_.find(item);
    return found == index_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::vector<Item> items_;
  std::unordered_map<Item, Token> index_ = {};
};

/// The characters of a text; none is unknown.
class Characters final : public Listed<char32_t, 1> {
 public:
  explicit Characters(const std::u32string& characters)
      : Listed({characters.begin(), characters.end()}) {}

  UnitKind kind() const override { return UnitKind::character; }

  Sequence encode(std::string_view text) const override {
    Sequence out;
    for (const char32_t c : decode_utf8(text)) {
      const auto token = find(c);
      if (!token) {
        throw InvalidArgument("text", fmt::format("the character '{}' is not in the vocabulary",
                                                  encode_utf8(std::u32string_view(&c, 1))));
      }
      out.push_back(*token);
    }
    return out;
  }

  std::string decode(std::span<const Token> tokens) const override {
    std::u32string out;
    for (const Token token : tokens) out += item(token);
    return encode_utf8(out);
  }

  void write(ArchiveWriter& out) const override {
    out.string(encode_utf8({items().data(), items().size()}));
  }
};

/// Calls use(word) for what stands between spaces and tabs.
template <class Use>
void for_each_word(std::string_view text, const Use& use) {
  constexpr std::string_view kSpace = " \t";
  std::size_t begin = text.find_first_not_of(kSpace);
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    use(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpace, end);
  }
}

/// Words, with "<unk>" after the end.
class Words final : public Listed<std::string, 2> {
 public:
  using Listed::Listed;

  UnitKind kind() const override { return UnitKind::word; }
  std::optional<Token> unknown() const override { return kUnknownToken; }

  Sequence encode(std::string_view text) const override {
    Sequence out;
    for_each_word(text, [&](std::string_view word) {
      out.push_back(find(std::string(word)).value_or(kUnknownToken));
    });
    return out;
  }

  std::string decode(std::span<const Token> tokens) const override {
    std::string out;
    for (const Token token : tokens) {
      out += out.empty() ? "" : " ";
      out += token == kUnknownToken ? kUnknown : item(token);
    }
    return out;
  }

  void write(ArchiveWriter& out) const override {
    out.u64(items().size());
    for (const std::string& word : items()) out.string(word);
  }

 private:
  static constexpr Token kUnknownToken = 1;
};

/// SentencePiece's pieces, followed by an end if there is none among them.
class Pieces final : public TextUnits::Codec {
 public:
  explicit Pieces(SentencePieces pieces) : pieces_(std::move(pieces)) {}

  UnitKind kind() const override { return UnitKind::sentencepiece; }
  std::size_t size() const override { return pieces_.size() + (pieces_.end_token() ? 0 : 1); }
  Token end() const override {
    return pieces_.end_token().value_or(static_cast<Token>(pieces_.size()));
  }
  std::optional<Token> unknown() const override { return pieces_.unknown_token(); }
  Sequence encode(std::string_view text) const override { return pieces_.encode(text); }
  std::string decode(std::span<const Token> tokens) const override {
    return pieces_.decode(tokens);
  }
  void write(ArchiveWriter& out) const override { out.string(pieces_.bytes()); }

 private:
  SentencePieces pieces_;
};

TextUnits characters_of(std::span<const std::string> lines) {
  std::map<char32_t, std::uint64_t> counts;
  for (const std::string& line : lines) {
    for (const char32_t c : decode_utf8(line)) ++counts[c];
  }
  std::u32string characters;
  for (const auto& [c, count] : counts) characters += c;
  std::stable_sort(characters.begin(), characters.end(),
                   [&](char32_t a, char32_t b) { return counts[a] > counts[b]; });
  return TextUnits(std::make_shared<Characters>(characters));
}

TextUnits words_of(std::span<const std::string> lines, std::size_t most) {
  WordCounter counter;
  for (const std::string& line : lines) {
    for_each_word(line, [&](std::string_view word) { counter.add(word); });
  }
  const Vocabulary vocabulary = counter.vocabulary({.min_count = 1, .max_size = most});
  std::vector<std::string> words;
  for (WordId id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.word(id) != kUnknown) words.emplace_back(vocabulary.word(id));
  }
  return TextUnits(std::make_shared<Words>(std::move(words)));
}

}  // namespace

const char* name_of(UnitKind kind) {
  return kind == UnitKind::character ? "char" : kind == UnitKind::word ? "word" : "sentencepiece";
}

UnitKind unit_kind(std::string_view name) {
  for (const UnitKind kind : {UnitKind::character, UnitKind::word, UnitKind::sentencepiece}) {
    if (name == name_of(kind)) return kind;
  }
  throw InvalidArgument("units", fmt::format("expected char, word or sentencepiece, got {}", name));
}

TextUnits::TextUnits(SentencePieces pieces) : codec_(std::make_shared<Pieces>(std::move(pieces))) {}

TextUnits TextUnits::learn(UnitKind kind, std::span<const std::string> lines,
                           const UnitOptions& options) {
  check_at_least("lines", lines.size(), 1);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (const auto bad = find_invalid_utf8(lines[i])) {
      throw InvalidArgument("lines",
                            fmt::format("line {}: invalid UTF-8 at byte {}", i + 1, *bad + 1));
    }
  }
  if (kind == UnitKind::character) return characters_of(lines);
  if (kind == UnitKind::word) return words_of(lines, options.vocabulary);
  constexpr std::size_t kUsual = 8000;
  return TextUnits(
      SentencePieces::train(lines, options.vocabulary == 0 ? kUsual : options.vocabulary));
}

UnitKind TextUnits::kind() const { return codec_->kind(); }
std::size_t TextUnits::size() const { return codec_->size(); }
Token TextUnits::end_token() const { return codec_->end(); }
std::optional<Token> TextUnits::unknown_token() const { return codec_->unknown(); }

std::string TextUnits::decode(std::span<const Token> tokens) const {
  for (const Token token : tokens) {
    if (token < 0 || static_cast<std::size_t>(token) >= size() || token == end_token()) {
      throw InvalidArgument("tokens", fmt::format("expected 0..{} and not the end, {}, got {}",
                                                  size() - 1, end_token(), token));
    }
  }
  return codec_->decode(tokens);
}

Sequence TextUnits::encode(std::string_view text) const {
  if (const auto bad = find_invalid_utf8(text)) {
    throw InvalidArgument("text", fmt::format("invalid UTF-8 at byte {}", *bad + 1));
  }
  return codec_->encode(text);
}

void TextUnits::write(ArchiveWriter& out) const {
  out.string(name_of(kind()));
  codec_->write(out);
}

TextUnits TextUnits::read(ArchiveReader& in) {
  const UnitKind kind = [&] {
    try {
      return unit_kind(in.string());
    } catch (const InvalidArgument& error) {
      in.damaged(error.what());
    }
  }();
  if (kind == UnitKind::character) {
    const std::string bytes = in.string();
    if (find_invalid_utf8(bytes)) in.damaged("characters that are not UTF-8");
    auto characters = std::make_shared<Characters>(decode_utf8(bytes));
    if (!characters->different()) in.damaged("duplicate character");
    return TextUnits(std::move(characters));
  }
  if (kind == UnitKind::sentencepiece) {
    try {
      return TextUnits(SentencePieces("units", in.string()));
    } catch (const DataError& error) {
      in.damaged(error.what());
    }
  }
  const std::uint64_t count = in.u64();
  std::vector<std::string> words;
  for (std::uint64_t i = 0; i < count; ++i) {
    words.push_back(in.string());
    if (find_invalid_utf8(words.back())) in.damaged("a word that is not UTF-8");
  }
  auto known = std::make_shared<Words>(std::move(words));
  if (!known->different()) in.damaged("duplicate word");
  return TextUnits(std::move(known));
}

}  // namespace partita
