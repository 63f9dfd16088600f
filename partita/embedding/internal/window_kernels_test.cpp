// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/window_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "partita/embedding/internal/weights.hpp"
#include "partita/random/fill.hpp"
#include "targets.hpp"

namespace partita::kernels {
namespace {

using partita::testing::OnTarget;

/// The sums of one lane, which no machine of the last fifteen years needs, round more than stated.
std::vector<std::int64_t> vector_targets() {
  std::vector<std::int64_t> result = partita::testing::targets();
  std::erase(result, HWY_SCALAR);
  return result;
}

std::vector<float> normals(std::size_t n, std::uint64_t stream) {
  std::vector<float> x(n);
  fill_normal({7, stream}, 0, x);
  return x;
}

WeightMatrix random_matrix(std::size_t rows, std::size_t stride, std::uint64_t stream) {
  WeightMatrix matrix(rows, stride);
  fill_normal({8, stream}, 0, matrix.elements());
  return matrix;
}

std::vector<float*> all_rows(WeightMatrix& matrix) {
  std::vector<float*> rows;
  for (std::size_t i = 0; i < matrix.rows(); ++i) rows.push_back(matrix.row(i));
  return rows;
}

void copy(const WeightMatrix& from, WeightMatrix& to) {
  std::copy(from.elements().begin(), from.elements().end(), to.elements().begin());
}

std::vector<WindowShape> shapes() {
  std::vector<WindowShape> all;
  for (const std::size_t m : {1, 2, 3, 4, 5, 7, 10, 17, 40}) {
    for (const std::size_t n : {1, 2, 3, 5, 6, 7, 13, 26}) {
      for (const std::size_t stride : {16, 112, 304}) all.push_back({m, n, stride});
    }
  }
  return all;
}

std::string name(const WindowShape& shape, std::int64_t target) {
  return std::string(hwy::TargetName(target)) + " M " + std::to_string(shape.inputs) + " N " +
         std::to_string(shape.outputs) + " stride " + std::to_string(shape.stride);
}

TEST(WindowKernels, ScoresAreThoseOfPlainLoops) {
  for (const WindowShape& shape : shapes()) {
    const WeightMatrix inputs = random_matrix(shape.inputs, shape.stride, 1);
    const WeightMatrix outputs = random_matrix(shape.outputs, shape.stride, 2);
    const std::vector<float> offsets = normals(shape.outputs, 3);
    const std::size_t row = padded_inputs(shape.inputs);
    std::vector<float> expected(score_capacity(shape.inputs, shape.outputs));
    for (const float* c : {offsets.data(), static_cast<const float*>(nullptr)}) {
      reference::scores(shape, inputs.row(0), outputs.row(0), c, expected.data());
      for (const std::int64_t target : vector_targets()) {
        const OnTarget on(target);
        std::vector<float> s(expected.size());
        scores(shape, inputs.row(0), outputs.row(0), c, s.data());
        // A sum of `stride` products of normals: each rounding is at most 2^-24 of |sum| <~ 100.
        for (std::size_t j = 0; j < shape.outputs; ++j) {
          for (std::size_t i = 0; i < shape.inputs; ++i) {
            ASSERT_NEAR(s[j * row + i], expected[j * row + i], 2e-5) << name(shape, target);
          }
        }
      }
    }
  }
}

TEST(WindowKernels, GradientsAndLossAreThoseOfTheLogisticLoss) {
  const std::vector<float> special = {0.0F,  -0.0F, 1e-6F,  1.0F, -1.0F, 20.0F, -20.0F,
                                      87.0F, 90.0F, -90.0F, 1e4F, -1e4F, 0.5F,  -3.0F};
  for (const WindowShape& shape : shapes()) {
    const std::size_t row = padded_inputs(shape.inputs);
    std::vector<float> start = normals(score_capacity(shape.inputs, shape.outputs), 4);
    for (float& x : start) x *= 4;
    for (std::size_t i = 0; i < std::min(start.size(), special.size()); ++i) start[i] = special[i];
    std::vector<float> expected = start;
    const double loss = reference::logistic(shape, 0.025F, expected.data());
    for (const std::int64_t target : vector_targets()) {
      const OnTarget on(target);
      std::vector<float> g = start;
      const auto terms = static_cast<double>(shape.inputs * shape.outputs);
      // Each addition rounds by at most 2^-24 of the sum: four lanes make many.
      const double of_sum = target <= HWY_AVX2 ? 3e-7 : (terms / 4 + 4) * 0x1p-24;
      EXPECT_NEAR(logistic(shape, 0.025F, g.data()), loss, 2e-7 * terms + of_sum * loss)
          << name(shape, target);
      for (std::size_t j = 0; j < shape.outputs; ++j) {
        for (std::size_t i = 0; i < shape.inputs; ++i) {
          const float e = expected[j * row + i];
          const float epsilons = 4 + std::abs(start[j * row + i]);
          ASSERT_NEAR(g[j * row + i], e, epsilons * 0x1p-24F * std::abs(e) + 1e-37F)
              << name(shape, target) << " score " << start[j * row + i];
        }
      }
    }
  }
}

// The loss that logistic() returns falls by the square of its gradient: it is the gradient of it.
TEST(WindowKernels, ReferenceGradientIsThatOfTheReferenceLoss) {
  const WindowShape shape{3, 4, 16};
  const std::vector<float> start = normals(score_capacity(3, 4), 5);
  std::vector<float> g = start;
  reference::logistic(shape, 1, g.data());
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::size_t i = 0; i < 3; ++i) {
      const auto loss_at = [&](float step) {
        std::vector<float> s = start;
        s[j * 4 + i] += step;
        return reference::logistic(shape, 1, s.data());
      };
      constexpr float kStep = 0x1p-7F;
      const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * static_cast<double>(kStep));
      EXPECT_NEAR(-slope, g[j * 4 + i], 2e-5);
    }
  }
}

TEST(WindowKernels, UpdatesAreThoseOfPlainLoops) {
  for (const WindowShape& shape : shapes()) {
    const WeightMatrix inputs = random_matrix(shape.inputs, shape.stride, 1);
    const WeightMatrix outputs = random_matrix(shape.outputs, shape.stride, 2);
    const std::vector<float> g = normals(score_capacity(shape.inputs, shape.outputs), 6);
    WeightMatrix expected_inputs(shape.inputs, shape.stride);
    WeightMatrix expected_outputs(shape.outputs, shape.stride);
    copy(inputs, expected_inputs);
    copy(outputs, expected_outputs);
    reference::update(shape, g.data(), inputs.row(0), outputs.row(0),
                      all_rows(expected_inputs).data(), all_rows(expected_outputs).data());
    for (const std::int64_t target : vector_targets()) {
      const OnTarget on(target);
      WeightMatrix new_inputs(shape.inputs, shape.stride);
      WeightMatrix new_outputs(shape.outputs, shape.stride);
      copy(inputs, new_inputs);
      copy(outputs, new_outputs);
      update(shape, g.data(), inputs.row(0), outputs.row(0), all_rows(new_inputs).data(),
             all_rows(new_outputs).data());
      for (std::size_t k = 0; k < new_inputs.elements().size(); ++k) {
        ASSERT_NEAR(new_inputs.elements()[k], expected_inputs.elements()[k], 2e-5)
            << name(shape, target);
      }
      for (std::size_t k = 0; k < new_outputs.elements().size(); ++k) {
        ASSERT_NEAR(new_outputs.elements()[k], expected_outputs.elements()[k], 2e-5)
            << name(shape, target);
      }
    }
  }
}

// A word may stand twice in a window, and be drawn twice as noise.
TEST(WindowKernels, ARowNamedTwiceReceivesBothSums) {
  const WindowShape shape{5, 8, 48};
  for (const std::int64_t target : vector_targets()) {
    const OnTarget on(target);
    const WeightMatrix inputs = random_matrix(5, 48, 1);
    const WeightMatrix outputs = random_matrix(8, 48, 2);
    const std::vector<float> g = normals(score_capacity(5, 8), 6);
    WeightMatrix once_in(5, 48);
    WeightMatrix once_out(8, 48);
    update(shape, g.data(), inputs.row(0), outputs.row(0), all_rows(once_in).data(),
           all_rows(once_out).data());
    WeightMatrix twice_in(5, 48);
    WeightMatrix twice_out(8, 48);
    std::vector<float*> in = all_rows(twice_in);
    std::vector<float*> out = all_rows(twice_out);
    in[3] = in[0];
    out[7] = out[1];
    out[2] = out[1];
    update(shape, g.data(), inputs.row(0), outputs.row(0), in.data(), out.data());
    for (std::size_t c = 0; c < 48; ++c) {
      EXPECT_NEAR(twice_in.row(0)[c], once_in.row(0)[c] + once_in.row(3)[c], 1e-5);
      EXPECT_NEAR(twice_out.row(1)[c], once_out.row(1)[c] + once_out.row(2)[c] + once_out.row(7)[c],
                  1e-5);
    }
  }
}

TEST(WindowKernels, Dot) {
  for (const std::int64_t target : vector_targets()) {
    const OnTarget on(target);
    const WeightMatrix x = random_matrix(2, 304, 1);
    double expected = 0;
    for (std::size_t c = 0; c < 304; ++c) {
      expected += static_cast<double>(x.row(0)[c]) * static_cast<double>(x.row(1)[c]);
    }
    EXPECT_NEAR(dot(304, x.row(0), x.row(1)), expected, 2e-5);
  }
}

TEST(WindowKernels, AddScaled) {
  for (const std::int64_t target : vector_targets()) {
    const OnTarget on(target);
    const WeightMatrix from = random_matrix(1, 48, 1);
    WeightMatrix to = random_matrix(1, 48, 2);
    const WeightMatrix before = random_matrix(1, 48, 2);
    add_scaled(48, -0.5F, from.row(0), to.row(0));
    for (std::size_t c = 0; c < 48; ++c) {
      EXPECT_FLOAT_EQ(to.row(0)[c], before.row(0)[c] - 0.5F * from.row(0)[c]);
    }
  }
}

}  // namespace
}  // namespace partita::kernels
