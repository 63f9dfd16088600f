#include "apps/experiments/openset/model.hpp"

#include <ATen/ATen.h>

#include <string>

#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/training/module_state.hpp"

namespace partita::app {
namespace {

constexpr const char* kKind = "openset";
constexpr std::uint32_t kVersion = 1;
constexpr std::int64_t kHidden = 128;  // of the multilayer perceptron
constexpr std::int64_t kBatch = 500;
constexpr std::uint64_t kMost = 1U << 16U;  // of a side, classes, width

std::int64_t read_size(ArchiveReader& in, const char* what) {
  const std::uint64_t value = in.u64();
  if (value < 1 || value > kMost) in.damaged(std::string("impossible ") + what);
  return static_cast<std::int64_t>(value);
}

}  // namespace

torch::nn::Sequential make_classifier(const OpensetArchitecture& architecture,
                                      const Random& random) {
  torch::nn::Sequential network =
      architecture.images
          ? models::small_vgg({.rows = architecture.rows, .columns = architecture.columns},
                              architecture.classes, architecture.width)
          : models::mlp({architecture.columns, kHidden, kHidden, architecture.classes});
  models::initialize(network, random);
  return network;
}

void save_openset_model(const std::filesystem::path& path, const OpensetModel& model) {
  ArchiveWriter out(kKind, kVersion);
  out.u8(model.architecture.images ? 1 : 0);
  out.u64(static_cast<std::uint64_t>(model.architecture.rows));
  out.u64(static_cast<std::uint64_t>(model.architecture.columns));
  out.u64(static_cast<std::uint64_t>(model.architecture.width));
  out.u64(model.classes.size());
  for (const std::string& name : model.classes) out.string(name);
  training::write_state(out, *model.classifier);
  out.save(path);
}

OpensetModel load_openset_model(const std::filesystem::path& path) {
  ArchiveReader in = ArchiveReader::open(path, kKind, kVersion);
  OpensetModel model;
  OpensetArchitecture& architecture = model.architecture;
  architecture.images = in.u8() != 0;
  architecture.rows = read_size(in, "number of rows");
  architecture.columns = read_size(in, "number of columns");
  architecture.width = read_size(in, "width");
  architecture.classes = read_size(in, "number of classes");
  for (std::int64_t i = 0; i < architecture.classes; ++i) model.classes.push_back(in.string());
  model.classifier = make_classifier(architecture, Stream{});
  training::read_state(in, *model.classifier);
  in.finish();
  return model;
}

Tensor logits_of(torch::nn::Sequential& classifier, const Tensor& x) {
  const at::NoGradGuard no_grad;
  const at::Device device = classifier->parameters().front().device();
  std::vector<Tensor> all;
  for (const Tensor& batch : x.split(kBatch)) {
    all.push_back(classifier->forward(batch.to(device)).cpu());
  }
  return at::cat(all);
}

}  // namespace partita::app
