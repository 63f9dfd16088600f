#include "partita/search/ngram.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/ngram_table.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;

std::vector<double> log_probs_after(const NgramModel& model, const Sequence& prefix) {
  std::vector<double> row(model.vocabulary_size());
  model.next_logits({&prefix, 1}, nullptr, {row.data(), 1, row.size()});
  return row;
}

// The definition, by counting strings. '^' begins a line and '$' ends it.
class PlainNgram {
 public:
  PlainNgram(const std::vector<std::string>& lines, std::size_t order) : order_(order) {
    for (const std::string& line : lines) {
      const std::string text = "^" + line + "$";
      for (std::size_t i = 1; i < text.size(); ++i) {
        alphabet_[text[i]] = 1;
        for (std::size_t n = 0; n < order && n <= i; ++n) ++counts_[text.substr(i - n, n)][text[i]];
      }
    }
  }

  double probability(const std::string& prefix, char next) const {
    const std::string text = "^" + prefix;
    return interpolate(text.substr(text.size() - std::min(text.size(), order_ - 1)), next);
  }

 private:
  double interpolate(const std::string& context, char next) const {
    const double shorter = context.empty() ? 1 / static_cast<double>(alphabet_.size())
                                           : interpolate(context.substr(1), next);
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
  std::map<char, int> alphabet_;
  std::map<std::string, std::map<char, double>> counts_;
};

TEST(Ngram, ByHand) {
  // Tokens a, b, end. Lines "ab", "a": P(w) = (c + 3 * 1/3) / (5 + 3): a 3/8, b 2/8, end 3/8.
  // After the begin: c(a) = 2, T = 1: P(a) = (2 + 3/8) / 3 = 19/24, P(b) = (2/8) / 3 = 2/24.
  // After a: c(b) = c(end) = 1, T = 2: P(b) = (1 + 2 * 2/8) / 4 = 3/8.
  const std::vector<std::string> lines{"ab", "a"};
  const NgramModel model = train_ngram(lines, {.order = 2});
  EXPECT_EQ(model.vocabulary_size(), 3U);
  EXPECT_EQ(model.end_token(), 2);
  EXPECT_EQ(model.order(), 2);
  const auto begin = log_probs_after(model, {});
  EXPECT_NEAR(std::exp(begin[0]), 19.0 / 24, 1e-15);
  EXPECT_NEAR(std::exp(begin[1]), 2.0 / 24, 1e-15);
  EXPECT_NEAR(std::exp(begin[2]), 3.0 / 24, 1e-15);
  const auto after_a = log_probs_after(model, {0});
  EXPECT_NEAR(std::exp(after_a[0]), (2 * 3.0 / 8) / 4, 1e-15);
  EXPECT_NEAR(std::exp(after_a[1]), 3.0 / 8, 1e-15);
  EXPECT_NEAR(std::exp(after_a[2]), (1 + 2 * 3.0 / 8) / 4, 1e-15);
  EXPECT_NEAR(model.log_prob("a"), std::log(19.0 / 24) + after_a[2], 1e-14);
  EXPECT_NEAR(model.perplexity(lines), std::exp(-(model.log_prob("a") + model.log_prob("ab")) / 5),
              1e-12);
}

// Every order, random lines, contexts that were seen and others: the definition, and a sum of 1.
RC_GTEST_PROP(Ngram, EqualsItsDefinition, ()) {
  const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', 'd'));
  const auto lines = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(letters));
  const auto order = *rc::gen::inRange(1, 7);
  const NgramModel model = train_ngram(lines, {.order = order});
  const PlainNgram plain(lines, static_cast<std::size_t>(order));
  const auto end = static_cast<std::size_t>(model.end_token());
  for (int i = 0; i < 10; ++i) {
    Sequence prefix;
    if (end > 0) {
      prefix = *rc::gen::container<Sequence>(rc::gen::inRange<Token>(0, static_cast<Token>(end)));
    }
    const auto row = log_probs_after(model, prefix);
    double sum = 0;
    for (std::size_t w = 0; w < row.size(); ++w) {
      const auto token = static_cast<Token>(w);
      const char next = w == end ? '$' : model.decode({&token, 1})[0];
      const double expected = plain.probability(model.decode(prefix), next);
      RC_ASSERT(std::abs(std::exp(row[w]) / expected - 1) < 1e-12);
      sum += std::exp(row[w]);
    }
    RC_ASSERT(std::abs(sum - 1) < 1e-12);
  }
}

TEST(Ngram, CodePointsAreTheUnits) {
  const std::vector<std::string> lines{"naïve", "日本", "\U0001F600é"};
  const NgramModel model = train_ngram(lines, {.order = 3});
  EXPECT_EQ(model.vocabulary_size(), 9U + 1);  // a e n v é ï 日 本 U+1F600, end
  for (const std::string& line : lines) EXPECT_EQ(model.decode(model.encode(line)), line);
  EXPECT_EQ(model.encode("日本").size(), 2U);
  EXPECT_EQ(model.log_prob("x"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(model.perplexity(std::vector<std::string>{"x"}),
            std::numeric_limits<double>::infinity());
}

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no InvalidArgument";
}

TEST(Ngram, Refusals) {
  const std::vector<std::string> lines{"ab", "b\xff", "c"};
  EXPECT_EQ(message_of([&] { train_ngram(lines); }), "lines: line 2: invalid UTF-8 at byte 2");
  EXPECT_THAT(message_of([&] { train_ngram({}); }), HasSubstr("lines: expected one or more"));
  const std::vector<std::string> good{"ab"};
  EXPECT_THAT(message_of([&] { train_ngram(good, {.order = 0}); }), HasSubstr("order"));
  EXPECT_THAT(message_of([&] { train_ngram(good, {.order = 17}); }), HasSubstr("order"));
  const NgramModel model = train_ngram(good);
  EXPECT_EQ(message_of([&] { model.encode("aé"); }),
            "text: the model has never seen the character 'é' (U+00E9)");
  EXPECT_THROW(model.encode("\xff"), InvalidArgument);
  EXPECT_THROW(model.log_prob("\xff"), InvalidArgument);
  EXPECT_THROW(model.decode(Sequence{2}), InvalidArgument);
  EXPECT_THROW(model.decode(Sequence{-1}), InvalidArgument);
  EXPECT_THROW(model.perplexity({}), InvalidArgument);
}

TEST(Ngram, EmptyLinesEndAtOnce) {
  const NgramModel model = train_ngram(std::vector<std::string>{"", ""}, {.order = 3});
  EXPECT_EQ(model.vocabulary_size(), 1U);
  EXPECT_EQ(model.log_prob(""), 0);
}

TEST(Ngram, OneLongLine) {
  std::string line;
  for (std::size_t i = 0; i < 300000; ++i)
    line += static_cast<char>('a' + Stream{1, 2}.bits(i) % 3);
  const NgramModel model = train_ngram({&line, 1}, {.order = 4});
  EXPECT_NEAR(model.perplexity({&line, 1}), 3, 0.02);
}

TEST(Ngram, ReportsProgress) {
  std::vector<std::uint64_t> done;
  train_ngram(std::vector<std::string>{"ab"}, {.order = 3}, [&](const ProgressUpdate& update) {
    done.push_back(update.done);
    EXPECT_EQ(update.total, 3U);
  });
  EXPECT_EQ(done, (std::vector<std::uint64_t>{1, 2, 3}));
}

// A model that has learned something: sampled words are likelier under it than shuffled ones.
TEST(Ngram, SamplesFollowTheModel) {
  const std::vector<std::string> lines{"banana", "bandana", "cabana", "ananas"};
  const NgramModel model = train_ngram(lines, {.order = 3});
  const auto samples = ancestral_samples(model, 20000, {1, 0}, {.max_length = 40});
  double mean = 0;
  for (const Hypothesis& h : samples) {
    EXPECT_NEAR(h.log_prob, h.finished ? model.log_prob(model.decode(h.tokens)) : h.log_prob, 1e-9);
    mean += static_cast<double>(model.decode(h.tokens).starts_with("b")) / 20000;
  }
  const double b = std::exp(log_probs_after(model, {})[1]);
  EXPECT_NEAR(mean, b, 4.8916 * std::sqrt(b * (1 - b) / 20000));
}

// ---- files ----

NgramModel small_model() {
  return train_ngram(std::vector<std::string>{"ab", "ba", "é"}, {.order = 3});
}

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
  for (const Sequence& prefix : {Sequence{}, Sequence{0}, Sequence{0, 1}, Sequence{2, 2, 2}}) {
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
  EXPECT_THAT(why_refused(ArchiveWriter("ngram", 2).bytes()), HasSubstr("x.model: version 2"));
  EXPECT_THAT(why_refused(ArchiveWriter("skipgram", 1).bytes()), HasSubstr("holds \"skipgram\""));
  EXPECT_THAT(why_refused(small_model().serialize().substr(0, 100)), HasSubstr("cut short"));
}

// Whole files with a right checksum that were never written by Partita: refused, not believed.
TEST(NgramFile, ForgedTables) {
  using Edit = std::function<void(NgramTable&)>;
  const auto forged = [](const Edit& edit) {
    NgramTable t;  // of the line "ab", order 2
    t.order = 2;
    t.alphabet = {'a', 'b'};
    t.symbol = {0, 0, 1, 3};
    t.child_begin = {1, 4, 4, 4, 4};
    t.entry_begin = {0, 3, 4, 5, 6};
    t.token = {0, 1, 2, 1, 2, 0};
    t.count = {1, 1, 1, 1, 1, 1};
    edit(t);
    ArchiveWriter out("ngram", 1);
    out.u32(t.order);
    for (const auto* array :
         {&t.alphabet, &t.symbol, &t.child_begin, &t.entry_begin, &t.token, &t.count}) {
      out.array(*array);
    }
    return out.bytes();
  };
  const std::string good = forged([](NgramTable&) {});
  EXPECT_EQ(good, train_ngram(std::vector<std::string>{"ab"}, {.order = 2}).serialize());
  EXPECT_EQ(NgramModel::parse(good).serialize(), good);
  const std::vector<Edit> edits{
      [](NgramTable& t) { t.order = 0; },
      [](NgramTable& t) { t.order = 17; },
      [](NgramTable& t) {
        t.alphabet = {'b', 'a'};
      },
      [](NgramTable& t) {
        t.alphabet = {'a', 0xD800};
      },
      [](NgramTable& t) {
        t.alphabet = {'a', 0x110000};
      },
      [](NgramTable& t) { t.alphabet = {'a'}; },  // token 2 is then no token
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
        t.token = {1, 2, 1, 2, 0};
        t.count = {1, 1, 1, 1, 1};
      }};
  for (std::size_t i = 0; i < edits.size(); ++i) {
    EXPECT_THAT(why_refused(forged(edits[i])), HasSubstr("x.model: damaged: ")) << i;
  }
}

}  // namespace
}  // namespace partita
