// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/classifier_model.hpp"

#include <ATen/ATen.h>

#include "partita/base/internal/check.hpp"
#include "partita/io/archive.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/openset/confident_classifier.hpp"
#include "partita/learn/training/module_state.hpp"

namespace partita::openset {
namespace {

constexpr std::uint32_t kVersion = 2;  // 1 had one channel, points a width of 128, no reject
constexpr std::int64_t kFirstWidth = 128;
constexpr std::int64_t kBatch = 500;        // in logits()
constexpr std::uint64_t kMost = 1U << 16U;  // for sides, channels, classes and width

std::int64_t read_size(ArchiveReader& in, const char* what) {
  const std::uint64_t value = in.u64();
  if (value < 1 || value > kMost) in.damaged(std::string("impossible ") + what);
  return static_cast<std::int64_t>(value);
}

}  // namespace

torch::nn::Sequential make_classifier(const Architecture& architecture, const Random& random) {
  const std::int64_t outputs = architecture.classes + (architecture.reject ? 1 : 0);
  const std::int64_t width = architecture.width;
  torch::nn::Sequential network =
      architecture.images ? networks::small_vgg({.rows = architecture.rows,
                                                 .columns = architecture.columns,
                                                 .channels = architecture.channels},
                                                outputs, width)
                          : networks::mlp({architecture.columns, width, width, outputs});
  networks::initialize(network, random);
  return network;
}

Tensor ClassifierModel::forward(const Tensor& x) {
  const Tensor all = classifier->forward(x);
  return architecture.reject ? without_reject(all) : all;
}

Tensor ClassifierModel::logits(const Tensor& x) {
  const at::NoGradGuard no_grad;
  const at::Device device = classifier->parameters().front().device();
  std::vector<Tensor> batches;
  for (const Tensor& batch : x.split(kBatch)) {
    batches.push_back(forward(batch.to(device)).cpu());
  }
  return at::cat(batches);
}

void ClassifierModel::save(const std::filesystem::path& path) const {
  check_size("classes", classes.size(), architecture.classes, "names");
  ArchiveWriter out(kArchive, kVersion);
  out.u8(architecture.images ? 1 : 0);
  out.u64(static_cast<std::uint64_t>(architecture.rows));
  out.u64(static_cast<std::uint64_t>(architecture.columns));
  out.u64(static_cast<std::uint64_t>(architecture.width));
  out.u64(classes.size());
  for (const std::string& name : classes) out.string(name);
  out.u64(static_cast<std::uint64_t>(architecture.channels));
  out.u8(architecture.reject ? 1 : 0);
  training::write_state(out, *classifier);
  out.save(path);
}

ClassifierModel ClassifierModel::load(const std::filesystem::path& path) {
  ArchiveReader in = ArchiveReader::open(path, kArchive, kVersion);
  ClassifierModel model;
  Architecture& architecture = model.architecture;
  architecture.images = in.u8() != 0;
  architecture.rows = read_size(in, "number of rows");
  architecture.columns = read_size(in, "number of columns");
  architecture.width = read_size(in, "width");
  architecture.classes = read_size(in, "number of classes");
  for (std::int64_t i = 0; i < architecture.classes; ++i) model.classes.push_back(in.string());
  if (in.version() > 1) {
    architecture.channels = read_size(in, "number of channels");
    architecture.reject = in.u8() != 0;
  } else if (!architecture.images) {
    architecture.width = kFirstWidth;
  }
  model.classifier = make_classifier(architecture, Stream{});
  training::read_state(in, *model.classifier);
  in.finish();
  return model;
}

}  // namespace partita::openset
