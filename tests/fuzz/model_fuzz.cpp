// SPDX-License-Identifier: Apache-2.0
// Any bytes are either an n-gram model's file or a DataError; what is accepted can be searched.
#include <cmath>
#include <string>

#include "partita/search/stochastic_beam.hpp"
#include "partita/text/ngram.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

void use(std::string_view bytes) {
  may_refuse([&] {
    const auto model = NgramModel::parse(bytes, "fuzz.model");
    SearchOptions options;
    options.max_length = 6;
    for (const auto& sequence : stochastic_beam_search(model, {}, 3, {}, options).sequences) {
      require(!std::isnan(sequence.log_prob) && sequence.log_prob <= 1e-6);
      (void)model.units().decode(sequence.tokens);
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  use(text_of(data, size));
  use(resealed(std::string(text_of(data, size))));
  return 0;
}
