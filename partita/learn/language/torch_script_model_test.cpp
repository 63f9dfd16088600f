// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/torch_script_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/search/search_test_support.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "temporary_directory.hpp"

namespace partita::language {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)
using ::testing::EndsWith;
using ::testing::HasSubstr;

// From tests/golden/make_torchscript.py.
constexpr std::size_t kExported = 7;  // tokens
constexpr Token kStart = 6;

std::string golden(const std::string& name) { return PARTITA_GOLDEN_TORCHSCRIPT "/" + name; }

struct Exported : ::testing::TestWithParam<const char*> {
  TorchScriptModel model{golden(GetParam()), {.end_token = kStart, .start_token = kStart}};
};
INSTANTIATE_TEST_SUITE_P(Modules, Exported, ::testing::Values("recurrent.ts", "last_only.ts"),
                         [](const auto& file) {
                           return std::string(file.param) == "recurrent.ts" ? "Whole" : "LastOnly";
                         });

TEST_P(Exported, SaysWhatItSaidInPython) {
  EXPECT_EQ(model.vocabulary_size(), kExported);
  const auto cases = nlohmann::json::parse(read_file(golden("golden.json")))["cases"];
  ASSERT_EQ(cases.size(), 4U);
  std::vector<Sequence> prefixes;
  for (const auto& each : cases) prefixes.push_back(each["prefix"].get<Sequence>());
  std::vector<float> logits(prefixes.size() * kExported);
  model.next_logits(prefixes, nullptr, {logits.data(), prefixes.size(), kExported});
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const auto expected = cases[i]["log_probs"].get<std::vector<double>>();
    const float* row = &logits[i * kExported];
    double sum = 0;
    for (std::size_t v = 0; v < kExported; ++v) sum += std::exp(static_cast<double>(row[v]));
    for (std::size_t v = 0; v < kExported; ++v) {
      EXPECT_NEAR(row[v] - std::log(sum), expected[v], 1e-5) << "prefix " << i << ", token " << v;
    }
  }
}

TEST_P(Exported, CanBeSearched) {
  const SearchOptions options{.max_length = 3};
  const Support support(model, options);
  EXPECT_NEAR(std::accumulate(support.p.begin(), support.p.end(), 0.0), 1, 1e-5);
  const auto beam = stochastic_beam_search(model, {}, support.size() + 1, {.seed = 1}, options);
  EXPECT_EQ(beam.sequences.size(), support.size());
  for (const auto& h : beam.sequences) {
    EXPECT_NEAR(h.log_prob, support.leaves[support.find(h)].log_prob, 1e-5);
  }
}

TEST(TorchScriptModel, WithoutStartTokenWantsAPrompt) {
  const TorchScriptModel model(golden("recurrent.ts"));
  EXPECT_EQ(message_of<InvalidArgument>([&] { stochastic_beam_search(model, {}, 2, {.seed = 1}); }),
            "prompt: expected a token: the model has no start token");
  const Sequence prompt{kStart};
  EXPECT_NO_THROW(stochastic_beam_search(model, prompt, 2, Stream{1}, {.max_length = 3}));
}

std::string load_error(const std::string& path, const TorchScriptOptions& options = {}) {
  return message_of<DataError>([&] { TorchScriptModel(path, options); });
}

TEST(TorchScriptModel, Refusals) {
  EXPECT_THAT(load_error(golden("flat.ts")),
              EndsWith("flat.ts: expected logits [1, 1, V] or [1, V] for tokens [1, 1], got Float "
                       "[7]"));
  EXPECT_THAT(load_error(golden("pair.ts")), EndsWith("got Tuple"));
  EXPECT_THAT(load_error(golden("golden.json")), HasSubstr("expected a TorchScript module: "));
  EXPECT_THROW(TorchScriptModel("no such file.ts"), IoError);

  const TemporaryDirectory directory;
  const std::string cut = directory / "cut.ts";
  const std::string bytes = read_file(golden("recurrent.ts"));
  for (const std::size_t length : {bytes.size() - 1, bytes.size() / 2, std::size_t{1}}) {
    write_file(cut, std::string_view(bytes).substr(0, length));
    EXPECT_THAT(load_error(cut), HasSubstr("cut.ts: expected a TorchScript module: ")) << length;
  }

  const std::string recurrent = golden("recurrent.ts");
  EXPECT_EQ(message_of<InvalidArgument>([&] { TorchScriptModel(recurrent, {.end_token = 7}); }),
            "end_token: expected -1..6 (-1: none), got 7");
  EXPECT_THAT(load_error(recurrent, {.vocabulary_size = 8}),
              EndsWith("recurrent.ts: gives logits for 7 tokens, expected 8"));
  EXPECT_THAT(load_error(recurrent, {.start_token = 7}), HasSubstr("index out of range"));

  const TorchScriptModel fussy(golden("fussy.ts"), {.start_token = 0});
  EXPECT_THAT(message_of<DataError>(
                  [&] { stochastic_beam_search(fussy, {}, 2, {.seed = 1}, {.max_length = 9}); }),
              EndsWith("fussy.ts: fails on int64 tokens [2, 3]: sequences of three are not for "
                       "me"));
}

}  // namespace
}  // namespace partita::language
