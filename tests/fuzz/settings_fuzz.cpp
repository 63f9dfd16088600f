// SPDX-License-Identifier: Apache-2.0
// Any line is either a row's settings or a DataError; what is accepted draws.
#include <algorithm>
#include <vector>

#include "apps/command/sampler_options.hpp"
#include "partita/sampler/sample.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kCategories = 20;
  const std::string path = file_of("settings.jsonl", text_of(data, size));
  may_refuse([&] {
    auto each = app::read_sampler_settings(path, 1, kCategories, {});
    std::vector<float> row(kCategories);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i * 7 % 5);
    const SamplerSettings settings = each.front().settings();
    const auto drawn = sample({row.data(), 1, kCategories}, settings, Stream{1});
    require(drawn[0] >= 0 && drawn[0] < static_cast<std::int64_t>(kCategories));
  });
  return 0;
}
