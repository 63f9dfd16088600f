#include "partita/learn/models/text_units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "partita/base/error.hpp"
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
  virtual std::size_t tokens() const = 0;  // without the end
  virtual Sequence encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const Token> tokens) const = 0;
  virtual void write(ArchiveWriter& out) const = 0;
};

namespace {

constexpr const char* kUnknown = "<unk>";

class Characters final : public TextUnits::Codec {
 public:
  /// @param characters ascending
  explicit Characters(std::u32string characters) : characters_(std::move(characters)) {}

  UnitKind kind() const override { return UnitKind::character; }
  std::size_t tokens() const override { return characters_.size(); }

  Sequence encode(std::string_view text) const override {
    Sequence out;
    for (const char32_t c : decode_utf8(text)) {
      const auto place = std::lower_bound(characters_.begin(), characters_.end(), c);
      if (place == characters_.end() || *place != c) {
        throw InvalidArgument("text", fmt::format("the model never saw the character '{}'",
                                                  encode_utf8(std::u32string_view(&c, 1))));
      }
      out.push_back(static_cast<Token>(place - characters_.begin()));
    }
    return out;
  }

  std::string decode(std::span<const Token> tokens) const override {
    std::u32string out;
    for (const Token token : tokens) out += characters_.at(static_cast<std::size_t>(token));
    return encode_utf8(out);
  }

  void write(ArchiveWriter& out) const override { out.string(encode_utf8(characters_)); }

 private:
  std::u32string characters_;
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

class Words final : public TextUnits::Codec {
 public:
  /// @param words all different; <unk> comes after them.
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::size_t i = 0; i < words_.size(); ++i) index_.emplace(words_[i], i);
  }

  UnitKind kind() const override { return UnitKind::word; }
  std::size_t tokens() const override { return words_.size() + 1; }

  Sequence encode(std::string_view text) const override {
    Sequence out;
    for_each_word(text, [&](std::string_view word) {
      const auto found = index_.find(std::string(word));
      out.push_back(static_cast<Token>(found == index_.end() ? words_.size() : found->second));
    });
    return out;
  }

  std::string decode(std::span<const Token> tokens) const override {
    std::string out;
    for (const Token token : tokens) {
      const auto i = static_cast<std::size_t>(token);
      out += (out.empty() ? "" : " ") + (i == words_.size() ? kUnknown : words_.at(i));
    }
    return out;
  }

  void write(ArchiveWriter& out) const override {
    out.u64(words_.size());
    for (const std::string& word : words_) out.string(word);
  }

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::size_t> index_;
};

TextUnits characters_of(std::span<const std::string> lines) {
  std::set<char32_t> seen;
  for (const std::string& line : lines) {
    for (const char32_t c : decode_utf8(line)) seen.insert(c);
  }
  return TextUnits(std::make_shared<Characters>(std::u32string(seen.begin(), seen.end())));
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

const char* name_of(UnitKind kind) { return kind == UnitKind::character ? "char" : "word"; }

UnitKind unit_kind(std::string_view name) {
  for (const UnitKind kind : {UnitKind::character, UnitKind::word}) {
    if (name == name_of(kind)) return kind;
  }
  throw InvalidArgument("units", fmt::format("expected char or word, got {}", name));
}

TextUnits TextUnits::learn(UnitKind kind, std::span<const std::string> lines,
                           const UnitOptions& options) {
  if (lines.empty()) throw InvalidArgument("lines", "expected at least one, got none");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (const auto bad = find_invalid_utf8(lines[i])) {
      throw InvalidArgument("lines",
                            fmt::format("line {}: invalid UTF-8 at byte {}", i + 1, *bad + 1));
    }
  }
  return kind == UnitKind::character ? characters_of(lines) : words_of(lines, options.vocabulary);
}

UnitKind TextUnits::kind() const { return codec_->kind(); }
std::size_t TextUnits::size() const { return codec_->tokens() + 1; }
std::string TextUnits::decode(std::span<const Token> tokens) const {
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
    const std::u32string characters = decode_utf8(bytes);
    const auto unordered = std::adjacent_find(characters.begin(), characters.end(),
                                              [](char32_t a, char32_t b) { return a >= b; });
    if (unordered != characters.end()) in.damaged("characters out of order");
    return TextUnits(std::make_shared<Characters>(characters));
  }
  const std::uint64_t count = in.u64();
  std::vector<std::string> words;
  for (std::uint64_t i = 0; i < count; ++i) words.push_back(in.string());
  return TextUnits(std::make_shared<Words>(std::move(words)));
}

}  // namespace partita
