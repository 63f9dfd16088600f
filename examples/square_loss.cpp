// SPDX-License-Identifier: Apache-2.0
// Why cross-entropy and not the squares of a softmax's errors: both losses, and how hard each
// pulls, against the margin by which a wrong class leads. Writes a page with the picture.
//
//   example_square_loss square_loss.html
#include <ATen/ATen.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/report/page.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/learn/rows.hpp"

namespace {

using partita::losses::Reduction;

/// One loss for each margin, and the norm of its gradient in both logits.
struct Curve {
  std::vector<double> loss;
  std::vector<double> gradient;
};

template <class Loss>
Curve measure(const Loss& loss, const std::vector<double>& margins) {
  const at::Tensor wrong = at::tensor(margins, at::kDouble);
  const at::Tensor logits = at::stack({at::zeros_like(wrong), wrong}, -1).set_requires_grad(true);
  const at::Tensor right = at::zeros({wrong.size(0)}, at::kLong);
  const at::Tensor each = loss(logits, right, Reduction::none);
  each.sum().backward();
  return {partita::to_vector(each), partita::to_vector(logits.grad().norm(2, {-1}))};
}

void run(const std::string& path) {
  std::vector<double> margins;
  for (int i = -40; i <= 80; ++i) margins.push_back(i / 4.0);
  const Curve entropy = measure(partita::losses::cross_entropy, margins);
  const Curve square = measure(partita::losses::softmax_square, margins);

  std::puts("The wrong class leads by m:\n");
  std::puts("     m   cross-entropy  gradient     square    gradient");
  for (std::size_t i = 0; i < margins.size(); i += 20) {
    std::printf("%6.1f %13.6f %11.6f %11.6f %11.3e\n", margins[i], entropy.loss[i],
                entropy.gradient[i], square.loss[i], square.gradient[i]);
  }

  const partita::Axis margin = {.label = "logit of the wrong class over the right one"};
  partita::Page page(
      "Square loss on a softmax",
      "Two classes; the wrong one leads by m. Why cross-entropy is what is trained.");
  page.paragraph(
      "Cross-entropy grows with the mistake and pulls with a gradient that tends to its largest. "
      "The square loss levels off at 2: at a confident mistake its gradient vanishes like "
      "exp(-m), so a classifier that starts out wrong stays there. Between its flat ends it bends "
      "down, so it is not convex: its value at m = 4 lies above the chord from 0 to 8.");
  page.figures({{partita::to_svg({.title = "Loss against margin",
                                  .x = margin,
                                  .y = {.label = "loss", .min = 0, .max = 6},
                                  .series = {{.name = "cross-entropy",
                                              .x = margins,
                                              .y = entropy.loss,
                                              .mark = partita::Mark::line},
                                             {.name = "square",
                                              .x = margins,
                                              .y = square.loss,
                                              .mark = partita::Mark::line},
                                             {.name = "chord of the square loss",
                                              .x = {0, 8},
                                              .y = {square.loss[40], square.loss[72]},
                                              .mark = partita::Mark::line,
                                              .dashed = true}}}),
                 "The losses."},
                {partita::to_svg({.title = "Gradient norm against margin",
                                  .x = margin,
                                  .y = {.label = "norm of the gradient", .logarithmic = true},
                                  .series = {{.name = "cross-entropy",
                                              .x = margins,
                                              .y = entropy.gradient,
                                              .mark = partita::Mark::line},
                                             {.name = "square",
                                              .x = margins,
                                              .y = square.gradient,
                                              .mark = partita::Mark::line}}}),
                 "How hard they pull, on a logarithmic axis."}});
  partita::write_file(path, page.html());
  std::printf("\nwrote %s\n", path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "square_loss.html");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
