// SPDX-License-Identifier: Apache-2.0
// The examples that `partita openset` trains on and tells apart.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/experiments/openset/experiment.hpp"
#include "partita/io/idx.hpp"
#include "partita/learn/openset/classifier_model.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::app {

struct LabeledExamples {
  Tensor x;  // [N, 2], or [N, channels, rows, columns] in [-1, 1]
  Tensor y;  // int64 [N], place of the class in OpensetData::classes
};

struct OpensetData {
  openset::Architecture architecture;
  std::vector<std::string> classes;
  LabeledExamples train;
  LabeledExamples test;
  Tensor out_set;                                       // undefined where there is none
  std::vector<std::pair<std::string, Tensor>> unknown;  // to be told from test.x, by name
};

/// Two Gaussians in the plane.
/// @param width units in a layer of its classifier
OpensetData toy_data(std::int64_t width, const Stream& stream);
/// Points of no class. @param train the known points, for OutSet::shell.
Tensor toy_out_set(OutSet where, const LabeledExamples& train, const Stream& stream);
/// Whether points [N, 2] are more than two standard deviations away from each mean, as 14 % of a
/// class are.
Tensor toy_outside(const Tensor& points);
/// Whether they are more than four away, as one draw of a class in 3000 is.
Tensor toy_off_classes(const Tensor& points);
/// Whether they are also within six of some mean.
Tensor toy_border(const Tensor& points);
/// Of 16 directions from each mean, those in which some of the points that are toy_outside() lie
/// that have it as their nearest.
int toy_directions(const Tensor& points);
/// Points on a circle around the origin.
Tensor toy_circle(double radius, std::int64_t count);

/// Digits as classes and letters as the unknown, in the DejaVu fonts; or images from a
/// directory.
OpensetData image_data(const OpensetOptions& options, const Stream& stream);

/// Pixels of 0 to 255 as networks take them: [-1, 1], with black borders to multiples of 4.
Tensor image_tensor(const std::vector<std::uint8_t>& pixels, std::size_t rows, std::size_t columns,
                    std::size_t channels = 1);

}  // namespace partita::app
