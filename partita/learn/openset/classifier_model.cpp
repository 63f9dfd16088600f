#include "partita/learn/openset/classifier_model.hpp"

#include <ATen/ATen.h>
#include "partita/base/internal/check.hpp"
#include "partita/io/archive.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/training/module_state.hpp"

namespace partita::openset {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::int64_t kHidden = 128;       // the multilayer perceptron's
constexpr std::int64_t kBatch = 500;        // in logits_of()
constexpr std::uint64_t kMost = 1U << 16U;  // for sides, classes and width

std::int64_t read_size(ArchiveReader& in, const char* what) {
  const std::uint64_t value = in.u64();
  if (value < 1 || value > kMost) in.damaged(std::string("impossible ") + what);
  return static_cast<std::int64_t>(value);
}

}  // namespace

torch::nn::Sequential make_classifier(const Architecture& architecture, const Random& random) {
  torch::nn::Sequential network =
      architecture.images
          ? networks::small_vgg({.rows = architecture.rows, .columns = architecture.columns},
                                architecture.classes, architecture.width)
          : networks::mlp({architecture.columns, kHidden, kHidden, architecture.classes});
  networks::initialize(network, random);
  return network;
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

void ClassifierModel::save(const std::filesystem::path& path) const {
  check_size("classes", classes.size(), architecture.classes, "names");
  ArchiveWriter out(kArchive, kVersion);
  out.u8(architecture.images ? 1 : 0);
  out.u64(static_cast<std::uint64_t>(architecture.rows));
  out.u64(static_cast<std::uint64_t>(architecture.columns));
  out.u64(static_cast<std::uint64_t>(architecture.width));
  out.u64(classes.size());
  for (const std::string& name : classes) out.string(name);
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
  model.classifier = make_classifier(architecture, Stream{});
  training::read_state(in, *model.classifier);
  in.finish();
  return model;
}

}  // namespace partita::openset
