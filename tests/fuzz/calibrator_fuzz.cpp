// SPDX-License-Identifier: Apache-2.0
// Any text is either a calibrator or a DataError; what is accepted is written as it was read, and
// calibrates or refuses.
#include "partita/calibration/calibrator.hpp"

#include <cmath>
#include <vector>

#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  may_refuse([&] {
    const Calibrator calibrator = Calibrator::from_json(text_of(data, size), "fuzz.json");
    const std::string json = calibrator.to_json();
    require(Calibrator::from_json(json, "again.json").to_json() == json);
    const std::size_t classes = calibrator.classes();
    if (classes > 100) return;
    std::vector<double> row(classes);
    for (std::size_t c = 0; c < classes; ++c) row[c] = 0.5 * static_cast<double>(c % 3);
    std::vector<double> out(classes);
    calibrator.transform({row.data(), 1, classes}, {out.data(), 1, classes});
    double sum = 0;
    for (const double log_prob : out) {
      require(!std::isnan(log_prob) && log_prob <= 1e-6);
      sum += std::exp(log_prob);
    }
    require(std::abs(sum - 1) < 1e-6);
  });
  return 0;
}
