// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/openset/data.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <numbers>
#include <optional>

#include "apps/data/image_sets.hpp"
#include "apps/data/rendered.hpp"
#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/openset/shell.hpp"
#include "partita/learn/random.hpp"

namespace partita::app {
namespace {

/// The children of the stream of a data set.
enum class DataPurpose { known, train, test, unknown, out_set };

constexpr std::int64_t kToyTrain = 1000;  // points of each class
constexpr std::int64_t kToyTest = 1000;
constexpr std::int64_t kToyOutSet = 2000;
constexpr std::int64_t kToyFewOut = 100;  // in figure 1, in squares of these half sides
constexpr double kToyFar = 50;
constexpr double kToyNear = 20;
constexpr double kToyShell = 0.001;  // beyond 3.7 standard deviations
constexpr double kOutside = 2;  // standard deviations from each mean; 14 % of a class are there
constexpr double kOffClasses = 4;
constexpr double kBorderEnd = 6;
constexpr std::size_t kRenderedLetters = 2000;

const at::TensorOptions& single() {
  static const at::TensorOptions options(at::kFloat);
  return options;
}

Tensor toy_means() { return at::tensor({-3.0, 0.0, 3.0, 0.0}, single()).view({2, 2}); }

LabeledExamples toy_classes(std::int64_t each, const Random& random) {
  const Tensor noise = random.normal({2, each, 2}, single());
  return {(noise + toy_means().unsqueeze(1)).view({2 * each, 2}),
          at::arange(2, at::kLong).repeat_interleave(each)};
}

/// The distance to the nearest class's mean.
Tensor toy_distance(const Tensor& points) {
  return (points.unsqueeze(1) - toy_means()).square().sum(-1).amin(1).sqrt();
}

/// Points anywhere in a square around the origin.
Tensor toy_square(double half_side, std::int64_t count, const Random& random) {
  return half_side * (2 * random.uniform({count, 2}, single()) - 1);
}

/// The density of the classes, over its largest value: with the means this far apart, that of a
/// class at its mean.
Tensor toy_density(const Tensor& points) {
  return (points.unsqueeze(1) - toy_means()).square().sum(-1).div(-2).exp().sum(1).clamp_max(1);
}

Tensor chosen_rows(const Tensor& points, const Tensor& chosen) {
  return points.index_select(0, chosen.nonzero().flatten());
}

/// Points of a square, each kept with probability 1 - p(x) / max p: by rejection, as the paper
/// draws them.
Tensor toy_around(double half_side, std::int64_t count, const Random& random) {
  const Tensor points = toy_square(half_side, 2 * count, random);
  const Tensor u = random.uniform({2 * count}, single());
  return chosen_rows(points, u > toy_density(points)).slice(0, 0, count);
}

/// Classes as "0-4,7".
std::string class_list(const std::vector<std::uint8_t>& classes) {
  std::string out;
  for (std::size_t i = 0; i < classes.size();) {
    std::size_t last = i;
    while (last + 1 < classes.size() && classes[last + 1] == classes[last] + 1) ++last;
    out += fmt::format("{}{}", out.empty() ? "" : ",", classes[i]);
    if (last > i) out += fmt::format("-{}", classes[last]);
    i = last + 1;
  }
  return out;
}

/// Images of the given classes, in their order, at most `most` of them.
LabeledImages with_classes(const LabeledImages& all, const std::vector<std::uint8_t>& classes,
                           std::size_t most) {
  LabeledImages out{.rows = all.rows, .columns = all.columns, .channels = all.channels};
  for (std::size_t i = 0; i < all.size() && out.size() < most; ++i) {
    if (std::find(classes.begin(), classes.end(), all.labels[i]) == classes.end()) continue;
    const auto image = all.image(i);
    out.pixels.insert(out.pixels.end(), image.begin(), image.end());
    out.labels.push_back(all.labels[i]);
  }
  return out;
}

Tensor image_tensor(const LabeledImages& images) {
  return app::image_tensor(images.pixels, images.rows, images.columns, images.channels);
}

LabeledExamples labeled(const LabeledImages& images, const std::vector<std::uint8_t>& classes) {
  std::array<std::int64_t, 256> place{};
  for (std::size_t k = 0; k < classes.size(); ++k) {
    place[classes[k]] = static_cast<std::int64_t>(k);
  }
  Tensor y = at::empty({static_cast<std::int64_t>(images.size())}, at::kLong);
  for (std::size_t i = 0; i < images.size(); ++i) {
    y.data_ptr<std::int64_t>()[i] = place[images.labels[i]];
  }
  return {image_tensor(images), y};
}

openset::Architecture image_architecture(const Tensor& x, std::size_t classes, std::int64_t width) {
  return {.images = true,
          .channels = x.size(1),
          .rows = x.size(2),
          .columns = x.size(3),
          .classes = static_cast<std::int64_t>(classes),
          .width = width};
}

OpensetData rendered_data(const OpensetOptions& options, const Stream& stream) {
  std::vector<std::uint8_t> digits(kDigits.size());
  OpensetData data;
  for (std::size_t d = 0; d < digits.size(); ++d) {
    digits[d] = static_cast<std::uint8_t>(d);
    data.classes.emplace_back(1, kDigits[d]);
  }
  const ImageSets sets =
      load_image_sets({}, options.train_images, stream.child(DataPurpose::known));
  data.train = labeled(sets.train, digits);
  data.test = labeled(sets.test, digits);
  data.unknown.emplace_back("letters",
                            image_tensor(render_characters(kCapitals, kRenderedLetters,
                                                           stream.child(DataPurpose::unknown))));
  data.out_set = image_tensor(
      render_characters(kCapitals, options.train_images, stream.child(DataPurpose::out_set)));
  data.architecture = image_architecture(data.train.x, digits.size(), width_of(options));
  return data;
}

/// The name of a set: the last folder of its path.
std::string set_name(const std::string& directory) {
  const std::filesystem::path path(directory);
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

void check_size(const std::string& directory, const Tensor& images, const Tensor& like) {
  if (images.sizes().slice(1) == like.sizes().slice(1)) return;
  const auto size = [](const Tensor& x) {
    return fmt::format("{} x {}{}", x.size(2), x.size(3), x.size(1) == 3 ? " in color" : "");
  };
  throw DataError(directory, fmt::format("images of {}, expected {}", size(images), size(like)));
}

/// Images of any class: the test split if `test`, else the training split. A directory may have
/// only one of them.
Tensor any_images(const std::string& directory, bool test, const Tensor& like) {
  const bool has = has_images(directory, test) || !has_images(directory, !test);
  Tensor images = image_tensor(load_images(directory, has == test));
  check_size(directory, images, like);
  return images;
}

OpensetData directory_data(const OpensetOptions& options, const Stream& stream) {
  const std::vector<std::uint8_t>& known = options.known;
  const std::vector<std::uint8_t>& unknown = options.unknown;
  check_at_least("known", known.size(), 2, "classes");
  for (const std::uint8_t c : known) {
    if (std::count(known.begin(), known.end(), c) > 1) {
      throw InvalidArgument("known", fmt::format("class {} is given twice", c));
    }
    if (std::find(unknown.begin(), unknown.end(), c) != unknown.end()) {
      throw InvalidArgument("unknown", fmt::format("class {} is also a known class", c));
    }
  }
  const auto [train, test] =
      load_image_sets(options.directory, options.train_images, stream.child(DataPurpose::known));
  const auto chosen = [&](const LabeledImages& all, const std::vector<std::uint8_t>& classes,
                          const char* option) {
    LabeledImages images = with_classes(all, classes, options.train_images);
    if (images.size() == 0) {
      throw InvalidArgument(option,
                            fmt::format("{} has no images of these classes", options.directory));
    }
    return images;
  };
  OpensetData data;
  for (const std::uint8_t c : known) data.classes.push_back(fmt::to_string(c));
  data.train = labeled(chosen(train, known, "known"), known);
  data.test = labeled(chosen(test, known, "known"), known);
  data.unknown.emplace_back("classes " + class_list(unknown),
                            image_tensor(chosen(test, unknown, "unknown")));
  for (const std::string& directory : options.evaluate) {
    data.unknown.emplace_back(set_name(directory), any_images(directory, true, data.train.x));
  }
  data.out_set = options.given.empty() ? image_tensor(chosen(train, unknown, "unknown"))
                                       : any_images(options.given, false, data.train.x);
  data.architecture = image_architecture(data.train.x, known.size(), width_of(options));
  return data;
}

}  // namespace

Tensor toy_off_classes(const Tensor& points) { return toy_distance(points) > kOffClasses; }

Tensor toy_outside(const Tensor& points) { return toy_distance(points) > kOutside; }

Tensor toy_border(const Tensor& points) {
  const Tensor distance = toy_distance(points);
  return (distance > kOffClasses).logical_and(distance <= kBorderEnd);
}

int toy_directions(const Tensor& points) {
  const Tensor outside = chosen_rows(points, toy_outside(points));
  if (outside.size(0) == 0) return 0;
  constexpr int kEach = kToyDirections / 2;
  const Tensor from = outside.unsqueeze(1) - toy_means();  // [n, 2 means, 2]
  const Tensor nearest = from.square().sum(-1).argmin(1);
  const Tensor angle =
      at::atan2(from.select(2, 1), from.select(2, 0)).gather(1, nearest.unsqueeze(1)).squeeze(1);
  const Tensor sector = ((angle / (2 * std::numbers::pi) + 0.5) * kEach).to(at::kLong);
  const Tensor place = sector.clamp(0, kEach - 1) + nearest * kEach;
  return static_cast<int>((at::bincount(place) > 0).sum().item<std::int64_t>());
}

Tensor toy_circle(double radius, std::int64_t count) {
  const Tensor angle =
      at::arange(count, single()) * (2 * std::numbers::pi / static_cast<double>(count));
  return radius * at::stack({angle.cos(), angle.sin()}, 1);
}

Tensor toy_out_set(OutSet where, const LabeledExamples& train, const Stream& stream) {
  const Random random(stream.child(DataPurpose::out_set));
  switch (where) {
    case OutSet::far:
      return toy_around(kToyFar, kToyFewOut, random);
    case OutSet::near:
      return toy_around(kToyNear, kToyFewOut, random);
    case OutSet::box:
      return toy_around(kToyHalfSide, kToyOutSet, random);
    case OutSet::shell:
      return openset::shell(train.x, train.y, kToyOutSet, random, kToyShell);
    case OutSet::border:
      break;
  }
  const Tensor plane = toy_square(kToyHalfSide, 16 * kToyOutSet, random);
  return chosen_rows(plane, toy_border(plane)).slice(0, 0, kToyOutSet);
}

OpensetData toy_data(std::int64_t width, const Stream& stream) {
  OpensetData data;
  data.architecture = {.rows = 1, .columns = 2, .classes = 2, .width = width};
  data.classes = {"left", "right"};
  data.train = toy_classes(kToyTrain, stream.child(DataPurpose::train));
  data.test = toy_classes(kToyTest, stream.child(DataPurpose::test));
  const Tensor plane = toy_square(kToyHalfSide, 4 * kToyTest, stream.child(DataPurpose::unknown));
  data.unknown.emplace_back("around the classes", chosen_rows(plane, toy_border(plane)));
  data.unknown.emplace_back("off the classes", chosen_rows(plane, toy_off_classes(plane)));
  return data;
}

OpensetData image_data(const OpensetOptions& options, const Stream& stream) {
  return options.source == OpensetSource::rendered ? rendered_data(options, stream)
                                                   : directory_data(options, stream);
}

Tensor image_tensor(const std::vector<std::uint8_t>& pixels, std::size_t rows, std::size_t columns,
                    std::size_t channels) {
  const auto r = static_cast<std::int64_t>(rows);
  const auto c = static_cast<std::int64_t>(columns);
  const std::size_t images = pixels.size() / (channels * rows * columns);
  Tensor bytes = at::empty(
      {static_cast<std::int64_t>(images), static_cast<std::int64_t>(channels), r, c}, at::kByte);
  std::copy(pixels.begin(), pixels.end(), bytes.data_ptr<std::uint8_t>());
  const std::int64_t more_rows = (4 - r % 4) % 4;
  const std::int64_t more_columns = (4 - c % 4) % 4;
  const Tensor scaled = bytes.to(at::kFloat) / 127.5 - 1;
  if (more_rows == 0 && more_columns == 0) return scaled;
  return at::constant_pad_nd(
      scaled,
      {more_columns / 2, more_columns - more_columns / 2, more_rows / 2, more_rows - more_rows / 2},
      -1);
}

}  // namespace partita::app
