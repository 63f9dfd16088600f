// SPDX-License-Identifier: Apache-2.0
#include "partita/io/color_images.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/io/array.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"
#include "partita/io/npz.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCifarSide = 32;
constexpr std::size_t kChannels = 3;

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// The files of CIFAR-10 for a split.
std::vector<std::string> cifar_10(std::string_view split) {
  if (split == "test") return {"test_batch.bin"};
  std::vector<std::string> names;
  for (int i = 1; i <= 5; ++i) names.push_back(fmt::format("data_batch_{}.bin", i));
  return names;
}

void append(LabeledImages& all, const LabeledImages& more) {
  all.pixels.insert(all.pixels.end(), more.pixels.begin(), more.pixels.end());
  all.labels.insert(all.labels.end(), more.labels.begin(), more.labels.end());
}

LabeledImages load_npz(const fs::path& path) {
  NpzFile file(path);
  const auto array = [&](const char* name) {
    return parse_npy_array(fmt::format("{}:{}", path.string(), name), file.member(name));
  };
  const ArrayView images = array("images");
  if (images.type != ElementType::u8 || images.shape.size() != 4 || images.shape[3] != kChannels) {
    throw DataError(
        images.name,
        fmt::format("expected unsigned bytes of shape [N, rows, columns, {}]", kChannels));
  }
  const std::vector<std::int64_t> labels = array("labels").integers();
  if (labels.size() != images.shape[0]) {
    throw DataError(path.string(),
                    fmt::format("{} labels, expected {}", labels.size(), images.shape[0]));
  }
  LabeledImages out{.rows = images.shape[1], .columns = images.shape[2], .channels = kChannels};
  const std::size_t area = out.rows * out.columns;
  out.pixels.resize(images.bytes.size());
  for (std::size_t at = 0; at < images.bytes.size(); ++at) {  // from [pixel, channel]
    const std::size_t image = at / (kChannels * area);
    const std::size_t pixel = at / kChannels % area;
    out.pixels[(image * kChannels + at % kChannels) * area + pixel] =
        static_cast<std::uint8_t>(images.bytes[at]);
  }
  for (const std::int64_t label : labels) {
    if (label < 0 || label > std::numeric_limits<std::uint8_t>::max()) {
      throw DataError(path.string(), fmt::format("label {}, expected 0..255", label));
    }
    out.labels.push_back(static_cast<std::uint8_t>(label));
  }
  return out;
}

}  // namespace

LabeledImages parse_cifar(std::string_view name, std::string_view bytes, std::size_t label_bytes) {
  constexpr std::size_t kImage = kChannels * kCifarSide * kCifarSide;
  const std::size_t record = label_bytes + kImage;
  if (bytes.empty()) throw DataError(name, "the file is empty, expected records of CIFAR");
  if (bytes.size() % record != 0) {
    throw DataError(name, fmt::format("{} bytes, expected a multiple of {} (one byte per color and "
                                      "pixel of an image, and its class)",
                                      bytes.size(), record));
  }
  LabeledImages images{.rows = kCifarSide, .columns = kCifarSide, .channels = kChannels};
  for (std::size_t at = 0; at < bytes.size(); at += record) {
    images.labels.push_back(static_cast<std::uint8_t>(bytes[at + label_bytes - 1]));
    const std::string_view pixels = bytes.substr(at + label_bytes, kImage);
    images.pixels.insert(images.pixels.end(), pixels.begin(), pixels.end());
  }
  return images;
}

LabeledImages load_color_images(const fs::path& directory, std::string_view split) {
  const fs::path npz = directory / fmt::format("{}.npz", split);
  if (file_exists(npz)) return load_npz(npz);
  const auto cifar = [&](const fs::path& path, std::size_t label_bytes) {
    return parse_cifar(path.string(), MappedFile(path).bytes(), label_bytes);
  };
  const fs::path cifar_100 = directory / fmt::format("{}.bin", split);
  if (file_exists(cifar_100)) return cifar(cifar_100, 2);
  if (!has_color_images(directory, split)) {
    throw IoError(directory.string(), fmt::format("has no {}, {}.bin or {}.npz",
                                                  cifar_10(split).front(), split, split));
  }
  LabeledImages all{.rows = kCifarSide, .columns = kCifarSide, .channels = kChannels};
  for (const std::string& name : cifar_10(split)) append(all, cifar(directory / name, 1));
  return all;
}

bool has_color_images(const fs::path& directory, std::string_view split) {
  return file_exists(directory / cifar_10(split).front()) ||
         file_exists(directory / fmt::format("{}.bin", split)) ||
         file_exists(directory / fmt::format("{}.npz", split));
}

}  // namespace partita
