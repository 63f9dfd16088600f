// SPDX-License-Identifier: Apache-2.0
#include "partita/text/ngram.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/text/internal/ngram_table.hpp"
#include "sentence_pieces_test_support.hpp"

namespace partita {
namespace {

using testing::has_sentencepiece;
using ::testing::HasSubstr;
using testing::message_of;

std::vector<double> log_probs_after(const NgramModel& model, const Sequence& prefix) {
  std::vector<double> row(model.vocabulary_size());
  model.next_logits({&prefix, 1}, nullptr, {row.data(), 1, row.size()});
  return row;
}

NgramModel characters(const std::vector<std::string>& lines, const NgramOptions& options = {},
                      const Progress& progress = {}) {
  return train_ngram(TextUnits::learn(UnitKind::character, lines), lines, options, progress);
}

// The definition, by counting sequences. A line begins with `begin`.
class PlainNgram {
 public:
  PlainNgram(const TextUnits& units, const std::vector<std::string>& lines, std::size_t order)
      : order_(order), begin_(static_cast<Token>(units.size())) {
    for (const std::string& line : lines) {
      Sequence text = units.encode(line);
      text.insert(text.begin(), begin_);
      text.push_back(units.end_token());
      for (std::size_t i = 1; i < text.size(); ++i) {
        for (std::size_t n = 0; n < order && n <= i; ++n) {
          ++counts_[Sequence(text.begin() + static_cast<std::ptrdiff_t>(i - n),
                             text.begin() + static_cast<std::ptrdiff_t>(i))][text[i]];
        }
      }
    }
  }

  double probability(Sequence prefix, Token next) const {
    prefix.insert(prefix.begin(), begin_);
    const std::size_t seen = std::min(prefix.size(), order_ - 1);
    return interpolate({prefix.end() - static_cast<std::ptrdiff_t>(seen), prefix.end()}, next);
  }

 private:
  double interpolate(const Sequence& context, Token next) const {
    const double shorter = context.empty()
                               ? 1 / static_cast<double>(begin_)
                               : interpolate({context.begin() + 1, context.end()}, next);
    const auto found = counts_.find(context);
    if (found == counts_.end()) return shorter;
    double total = 0;
    for (const auto& [_, count] : found->second) total += count;
    const auto types = static_cast<double>(found->second.size());
    const auto seen = found->second.find(next);
    const double count = seen == found->second.end() ? 0 : seen->second;
    return (count + types * shorter) / (total + types);
  }

  std::size_t order_;
  Token begin_;
  std::map<Sequence, std::map<Token, double>> counts_;
};

TEST(Ngram, ByHand) {
  // Tokens end, a, b. Lines "ab", "a": P(w) = (c + 3 * 1/3) / (5 + 3): a 3/8, b 2/8, end 3/8.
  // After the begin: c(a) = 2, T = 1: P(a) = (2 + 3/8) / 3 = 19/24, P(b) = (2/8) / 3 = 2/24.
  // After a: c(b) = c(end) = 1, T = 2: P(b) = (1 + 2 * 2/8) / 4 = 3/8.
  const std::vector<std::string> lines{"ab", "a"};
  const NgramModel model = characters(lines, {.order = 2});
  EXPECT_EQ(model.vocabulary_size(), 3U);
  EXPECT_EQ(model.end_token(), 0);
  EXPECT_EQ(model.order(), 2);
  const auto begin = log_probs_after(model, {});
  EXPECT_NEAR(std::exp(begin[1]), 19.0 / 24, 1e-15);
  EXPECT_NEAR(std::exp(begin[2]), 2.0 / 24, 1e-15);
  EXPECT_NEAR(std::exp(begin[0]), 3.0 / 24, 1e-15);
  const auto after_a = log_probs_after(model, {1});
  EXPECT_NEAR(std::exp(after_a[1]), (2 * 3.0 / 8) / 4, 1e-15);
  EXPECT_NEAR(std::exp(after_a[2]), 3.0 / 8, 1e-15);
  EXPECT_NEAR(std::exp(after_a[0]), (1 + 2 * 3.0 / 8) / 4, 1e-15);
  EXPECT_NEAR(model.log_prob("a"), std::log(19.0 / 24) + after_a[0], 1e-14);
  EXPECT_NEAR(model.perplexity(lines), std::exp(-(model.log_prob("a") + model.log_prob("ab")) / 5),
              1e-12);
}

// One token at a time, a text is to the bit as likely as by the rows of all tokens.
TEST(Ngram, ATextIsAsLikelyAsItsTokens) {
  const std::vector<std::string> lines{"the sea and the ship", "the ship", "a sea", "a sea", ""};
  for (const UnitKind kind : {UnitKind::character, UnitKind::word}) {
    for (const int order : {1, 2, 3, 5}) {
      const NgramModel model = train_ngram(TextUnits::learn(kind, lines), lines, {.order = order});
      for (const std::string text : {"", "the sea", "ship the sea and", "and and a ship"}) {
        const Sequence tokens = model.units().encode(text);
        double sum = 0;
        for (std::size_t i = 0; i <= tokens.size(); ++i) {
          const auto row = log_probs_after(
              model, {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(i)});
          sum += row[static_cast<std::size_t>(i < tokens.size() ? tokens[i] : model.end_token())];
        }
        EXPECT_EQ(model.log_prob(text), sum) << text << ", order " << order;
      }
    }
  }
}

TEST(Ngram, WordsByHand) {
  // Tokens end, <unk>, the, sea. 5 of text, 3 kinds, V = 4: P(the) = (2 + 3/4) / 8 = 11/32,
  // P(sea) = (1 + 3/4) / 8 = 7/32, P(<unk>) = 3/32. After "the": c(sea) = c(end) = 1, T = 2.
  const std::vector<std::string> lines{"the sea", "the"};
  const NgramModel model =
      train_ngram(TextUnits::learn(UnitKind::word, lines), lines, {.order = 2});
  EXPECT_EQ(model.vocabulary_size(), 4U);
  const auto after_the = log_probs_after(model, model.units().encode("the"));
  EXPECT_NEAR(std::exp(after_the[3]), (1 + 2 * 7.0 / 32) / 4, 1e-15);
  EXPECT_NEAR(std::exp(after_the[1]), (2 * 3.0 / 32) / 4, 1e-15);
  // No context was ever followed by, or held, what was never seen.
  const auto after_unknown = log_probs_after(model, model.units().encode("a"));
  EXPECT_NEAR(std::exp(after_unknown[2]), 11.0 / 32, 1e-15);
}

// Every order, random lines, contexts that were seen and others: the definition, and a sum of 1.
void equals_its_definition(UnitKind kind) {
  const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', ' '));
  const auto lines = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(letters));
  const auto order = *rc::gen::inRange(1, 7);
  const NgramModel model =
      train_ngram(TextUnits::learn(kind, lines, {.vocabulary = 5}), lines, {.order = order});
  const PlainNgram plain(model.units(), lines, static_cast<std::size_t>(order));
  const auto size = static_cast<Token>(model.vocabulary_size());
  for (int i = 0; i < 10; ++i) {
    Sequence prefix;
    if (size > 1) prefix = *rc::gen::container<Sequence>(rc::gen::inRange<Token>(1, size));
    const auto row = log_probs_after(model, prefix);
    double sum = 0;
    for (Token w = 0; w < size; ++w) {
      const double p = std::exp(row[static_cast<std::size_t>(w)]);
      RC_ASSERT(std::abs(p / plain.probability(prefix, w) - 1) < 1e-12);
      sum += p;
    }
    RC_ASSERT(std::abs(sum - 1) < 1e-12);
  }
}
RC_GTEST_PROP(Ngram, CharactersEqualTheirDefinition, ()) {
  equals_its_definition(UnitKind::character);
}
RC_GTEST_PROP(Ngram, WordsEqualTheirDefinition, ()) { equals_its_definition(UnitKind::word); }

// An end amid the tokens, and tokens that no text has.
TEST(Ngram, PiecesEqualTheirDefinition) {
  if (!has_sentencepiece()) GTEST_SKIP() << "built without SentencePiece";
  const std::string path = PARTITA_GOLDEN_SENTENCEPIECE "/bpe.model";
  const TextUnits units(SentencePieces(path, read_file(path)));
  const std::vector<std::string> lines{"whale whales", "swims", "whales swims", "harbour"};
  const NgramModel model = NgramModel::parse(train_ngram(units, lines, {.order = 3}).serialize());
  EXPECT_EQ(model.end_token(), 2);
  EXPECT_EQ(model.units().decode(model.units().encode(lines[0])), lines[0]);
  const PlainNgram plain(units, lines, 3);
  for (const std::string text : {"", "whale", "whales sw", "harbour whale"}) {
    const auto row = log_probs_after(model, units.encode(text));
    double sum = 0;
    for (std::size_t w = 0; w < row.size(); ++w) {
      const double p = std::exp(row[w]);
      EXPECT_NEAR(p / plain.probability(units.encode(text), static_cast<Token>(w)), 1, 1e-12);
      sum += p;
    }
    EXPECT_NEAR(sum, 1, 1e-12);
  }
}

TEST(Ngram, CodePointsAreTheUnits) {
  const std::vector<std::string> lines{"naïve", "日本", "\U0001F600é"};
  const NgramModel model = characters(lines, {.order = 3});
  EXPECT_EQ(model.vocabulary_size(), 9U + 1);  // a e n v é ï 日 本 U+1F600, end
  EXPECT_THROW(model.log_prob("x"), InvalidArgument);
}

TEST(Ngram, Refusals) {
  const std::vector<std::string> good{"ab"};
  const TextUnits units = TextUnits::learn(UnitKind::character, good);
  const auto refusal = [&](const std::vector<std::string>& lines,
                           const NgramOptions& options = {}) {
    return message_of<InvalidArgument>([&] { train_ngram(units, lines, options); });
  };
  EXPECT_EQ(refusal({"ab", "b\xff"}), "lines: line 2: invalid UTF-8 at byte 2");
  EXPECT_EQ(refusal({"ab", "", "é"}), "lines: line 3: the character 'é' is not in the vocabulary");
  EXPECT_THAT(refusal({}), HasSubstr("lines: expected 1 or more"));
  EXPECT_THAT(refusal(good, {.order = 0}), HasSubstr("order"));
  EXPECT_THAT(refusal(good, {.order = 17}), HasSubstr("order"));
  const NgramModel model = characters(good);
  EXPECT_THROW(model.log_prob("\xff"), InvalidArgument);
  EXPECT_THROW(model.perplexity({}), InvalidArgument);
}

TEST(Ngram, EmptyLinesEndAtOnce) {
  const NgramModel model = characters({"", ""}, {.order = 3});
  EXPECT_EQ(model.vocabulary_size(), 1U);
  EXPECT_EQ(model.log_prob(""), 0);
}

TEST(Ngram, OneLongLine) {
  std::string line;
  for (std::size_t i = 0; i < 300000; ++i)
    line += static_cast<char>('a' + Stream{1, 2}.bits(i) % 3);
  const NgramModel model = characters({line}, {.order = 4});
  EXPECT_NEAR(model.perplexity({&line, 1}), 3, 0.02);
}

TEST(Ngram, ReportsProgress) {
  std::vector<std::uint64_t> done;
  characters({"ab"}, {.order = 3}, [&](const ProgressUpdate& update) {
    done.push_back(update.done);
    EXPECT_EQ(update.total, 3U);
  });
  EXPECT_EQ(done, (std::vector<std::uint64_t>{1, 2, 3}));
}

// A model that has learned something: sampled words are likelier under it than shuffled ones.
TEST(Ngram, SamplesFollowTheModel) {
  const std::vector<std::string> lines{"banana", "bandana", "cabana", "ananas"};
  const NgramModel model = characters(lines, {.order = 3});
  const auto samples = ancestral_samples(model, {}, 20000, Stream{1}, {.max_length = 40});
  double mean = 0;
  for (const Hypothesis& h : samples) {
    EXPECT_NEAR(h.log_prob,
                h.finished ? model.log_prob(model.units().decode(h.tokens)) : h.log_prob, 1e-9);
    mean += static_cast<double>(model.units().decode(h.tokens).starts_with("b")) / 20000;
  }
  const double b =
      std::exp(log_probs_after(model, {})[static_cast<std::size_t>(model.units().encode("b")[0])]);
  EXPECT_NEAR(mean, b, 4.8916 * std::sqrt(b * (1 - b) / 20000));
}

// ---- files ----

NgramModel small_model() { return characters({"ab", "ba", "é"}, {.order = 3}); }

TEST(NgramFile, RoundTrip) {
  const NgramModel model = small_model();
  const std::string bytes = model.serialize();
  EXPECT_EQ(bytes, small_model().serialize());
  const auto path = std::filesystem::path(::testing::TempDir()) / "partita_ngram_test.model";
  model.save(path);
  EXPECT_EQ(read_file(path), bytes);
  const NgramModel loaded = NgramModel::load(path);
  std::filesystem::remove(path);
  EXPECT_EQ(loaded.serialize(), bytes);
  EXPECT_EQ(loaded.order(), 3);
  for (const Sequence& prefix : {Sequence{}, Sequence{1}, Sequence{1, 2}, Sequence{3, 3, 3}}) {
    EXPECT_EQ(log_probs_after(loaded, prefix), log_probs_after(model, prefix));
  }
  EXPECT_THROW(NgramModel::load(path), IoError);
}

TEST(NgramFile, EveryPrefixIsRefused) {
  const std::string bytes = small_model().serialize();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(NgramModel::parse(std::string_view(bytes).substr(0, size)), DataError) << size;
  }
  EXPECT_THROW(NgramModel::parse(bytes + '\0'), DataError);
}

TEST(NgramFile, EveryFlippedBitIsRefused) {
  const std::string bytes = small_model().serialize();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(static_cast<unsigned char>(flipped[i]) ^ (1U << bit));
      EXPECT_THROW(NgramModel::parse(flipped), DataError) << i;
    }
  }
}

std::string why_refused(const std::string& bytes) {
  try {
    NgramModel::parse(bytes, "x.model");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no DataError";
}

TEST(NgramFile, SaysWhy) {
  EXPECT_EQ(why_refused(""), "x.model: the file is empty");
  EXPECT_THAT(why_refused("a\nlist\nof\nwords\n"), HasSubstr("x.model: not a Partita ngram model"));
  EXPECT_THAT(why_refused(ArchiveWriter("ngram", 3).bytes()), HasSubstr("x.model: version 3"));
  EXPECT_EQ(why_refused(ArchiveWriter("ngram", 1).bytes()),
            "x.model: version 1 of n-gram models, expected 2: train it again");
  EXPECT_THAT(why_refused(ArchiveWriter("skipgram", 1).bytes()), HasSubstr("holds \"skipgram\""));
  EXPECT_THAT(why_refused(small_model().serialize().substr(0, 100)), HasSubstr("cut short"));
}

// Whole files with a correct checksum that Partita never wrote are refused.
TEST(NgramFile, ForgedTables) {
  using Edit = std::function<void(NgramTable&)>;
  const auto forged = [](const Edit& edit) {
    NgramTable t;  // counts of the line "ab", order 2: tokens end, a, b, and the begin, 3
    t.order = 2;
    t.symbol = {0, 1, 2, 3};
    t.child_begin = {1, 4, 4, 4, 4};
    t.entry_begin = {0, 3, 4, 5, 6};
    t.token = {0, 1, 2, 2, 0, 1};
    t.count = {1, 1, 1, 1, 1, 1};
    edit(t);
    ArchiveWriter out("ngram", 2);
    TextUnits::learn(UnitKind::character, std::vector<std::string>{"ab"}).write(out);
    out.u32(t.order);
    for (const auto* array : {&t.symbol, &t.child_begin, &t.entry_begin, &t.token, &t.count}) {
      out.array(*array);
    }
    return out.bytes();
  };
  const std::string good = forged([](NgramTable&) {});
  EXPECT_EQ(good, characters({"ab"}, {.order = 2}).serialize());
  EXPECT_EQ(NgramModel::parse(good).serialize(), good);
  const std::vector<Edit> edits{
      [](NgramTable& t) { t.order = 0; },
      [](NgramTable& t) { t.order = 17; },
      [](NgramTable& t) { t.symbol.clear(); },
      [](NgramTable& t) { t.symbol.push_back(0); },
      [](NgramTable& t) { t.symbol[3] = 4; },
      [](NgramTable& t) { t.symbol[2] = 0; },
      [](NgramTable& t) { t.child_begin.clear(); },
      [](NgramTable& t) { t.child_begin[0] = 0; },
      [](NgramTable& t) { t.child_begin[1] = 5; },
      [](NgramTable& t) { t.child_begin.back() = 0xFFFFFFFF; },
      [](NgramTable& t) {
        t.child_begin = {1, 1, 4, 4, 4};
      },  // node 1 would be its own child
      [](NgramTable& t) { t.entry_begin[0] = 1; },
      [](NgramTable& t) { t.entry_begin[1] = 4; },
      [](NgramTable& t) { t.entry_begin.back() = 7; },
      [](NgramTable& t) { t.token.pop_back(); },
      [](NgramTable& t) { t.token[0] = 1; },
      [](NgramTable& t) { t.token[2] = 3; },
      [](NgramTable& t) { t.count[0] = 0; },
      [](NgramTable& t) {  // the root without "a", which the context "begin" has
        t.entry_begin = {0, 2, 3, 4, 5};
        t.token = {0, 2, 2, 0, 1};
        t.count = {1, 1, 1, 1, 1};
      }};
  for (std::size_t i = 0; i < edits.size(); ++i) {
    EXPECT_THAT(why_refused(forged(edits[i])), HasSubstr("x.model: damaged: ")) << i;
  }
}

TEST(NgramFile, ForgedUnits) {
  const auto forged = [](const std::string& kind, const std::vector<std::string>& words) {
    ArchiveWriter out("ngram", 2);
    out.string(kind);
    out.u64(words.size());
    for (const std::string& word : words) out.string(word);
    return why_refused(out.bytes());
  };
  EXPECT_THAT(forged("syllable", {}), HasSubstr("x.model: damaged: units: expected char, word"));
  EXPECT_THAT(forged("word", {"a", "a"}), HasSubstr("x.model: damaged: duplicate word"));
  EXPECT_THAT(forged("word", {"a\xff"}), HasSubstr("x.model: damaged: a word that is not UTF-8"));
}

TEST(NgramFile, OfWords) {
  const std::vector<std::string> lines{"the old whale", "the sea"};
  const NgramModel model =
      train_ngram(TextUnits::learn(UnitKind::word, lines, {.vocabulary = 2}), lines, {.order = 3});
  const NgramModel loaded = NgramModel::parse(model.serialize());
  EXPECT_EQ(loaded.units().kind(), UnitKind::word);
  EXPECT_EQ(loaded.units().encode("the old whale"), model.units().encode("the old whale"));
  EXPECT_EQ(loaded.log_prob("the sea"), model.log_prob("the sea"));
  EXPECT_EQ(loaded.serialize(), model.serialize());
}

}  // namespace
}  // namespace partita
