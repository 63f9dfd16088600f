// SPDX-License-Identifier: Apache-2.0
// Conformal sets of the languages, and what single classes look like: the part of the walk
// (walk.sh) that the command does not have. Rows are divided by their numbers' parity, as
// collect.mjs writes them in the order of their languages.
//
//   sets LOGITS LABELS CLASSES
#include <partita/calibration/conformal.hpp>
#include <partita/io/array_file.hpp>
#include <partita/io/file.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace partita;

struct Half {
  std::vector<float> logits;
  std::vector<std::int64_t> labels;
  std::size_t classes;

  Half(Rows from, std::span<const std::int64_t> all, std::size_t parity) : classes(from.columns()) {
    for (std::size_t row = parity; row < from.rows(); row += 2) {
      const float* const begin = from.row_data<float>(row);
      logits.insert(logits.end(), begin, begin + classes);
      labels.push_back(all[row]);
    }
  }
  Rows rows() const { return {logits.data(), labels.size(), classes}; }
};

void print_sets(const char* name, const Half& fitted_on, const Half& used_on, double alpha,
                ConformalScore score) {
  const Stream stream{.seed = 1};
  const auto predictor = fit_conformal(fitted_on.rows(), fitted_on.labels, stream.child(0),
                                       {.score = score, .alpha = alpha});
  const auto sets = predict_sets(predictor, used_on.rows(), stream.child(1));
  double right = 0;
  double size = 0;
  for (std::size_t row = 0; row < used_on.labels.size(); ++row) {
    const auto set = sets.of(row);
    size += static_cast<double>(set.size());
    right += std::find(set.begin(), set.end(), used_on.labels[row]) != set.end() ? 1 : 0;
  }
  const auto n = static_cast<double>(used_on.labels.size());
  std::printf("%-5s  %5.2f  %9.4f  %8.2f\n", name, alpha, right / n, size / n);
}

}  // namespace

int main(int, char** argv) {
  const ArrayFile logits(argv[1]);
  const std::vector<std::int64_t> labels = ArrayFile(argv[2]).integers();
  std::istringstream names(read_file(argv[3]));
  const Half first(logits.rows(), labels, 0);
  const Half second(logits.rows(), labels, 1);

  std::printf("score  alpha   coverage      size\n");
  for (const double alpha : {0.1, 0.05, 0.01}) {
    print_sets("lac", first, second, alpha, ConformalScore::lac);
    print_sets("aps", first, second, alpha, ConformalScore::aps);
    print_sets("raps", first, second, alpha, ConformalScore::raps);
  }

  std::printf("\nlanguage    files   right   confidence\n");
  std::string name;
  for (std::int64_t k = 0; std::getline(names, name); ++k) {
    double files = 0;
    double right = 0;
    double confidence = 0;
    for (std::size_t row = 0; row < labels.size(); ++row) {
      if (labels[row] != k) continue;
      const std::span<const float> z(logits.rows().row_data<float>(row), logits.rows().columns());
      const auto best = std::max_element(z.begin(), z.end());
      double sum = 0;
      for (const float v : z) sum += std::exp(static_cast<double>(v - *best));
      files += 1;
      right += best - z.begin() == k ? 1 : 0;
      confidence += 1 / sum;
    }
    if (files >= 20) {
      std::printf("%-10s  %5.0f  %6.3f   %10.3f\n", name.c_str(), files, right / files,
                  confidence / files);
    }
  }
}
