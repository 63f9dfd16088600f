// SPDX-License-Identifier: Apache-2.0
// Losses of a softmax over many outputs, and the log-probability of what a sampler drew.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "learn.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"
#include "partita/learn/losses/confidence.hpp"
#include "partita/learn/losses/hierarchical_softmax.hpp"
#include "partita/learn/losses/linear_softmax.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/perturbed_top_k.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"
#include "partita/learn/losses/sparsemax.hpp"
#include "partita/learn/replay_log_prob.hpp"
#include "settings.hpp"

namespace partita::python {

using losses::NoiseDistribution;
using losses::OutputLayer;
using losses::Reduction;

namespace {

Tensor optional_tensor(py::handle object, std::string_view name) {
  return object.is_none() ? Tensor() : tensor_of(object, name);
}

Reduction reduction_of(py::handle object) {
  static constexpr std::array<std::string_view, 3> kNames{"none", "mean", "sum"};
  return static_cast<Reduction>(choice(object, "reduction", kNames));
}

OutputLayer layer_of(py::handle weight, py::handle bias) {
  return {.weight = tensor_of(weight, "weight"), .bias = optional_tensor(bias, "bias")};
}

/// A loss of hidden states under an output layer; `draws` and the like are NceOptions's.
Tensor output_loss(py::handle loss_name, const NoiseDistribution& noise, py::handle draws,
                   bool shared_noise, bool mask_accidental_hits, py::handle log_z,
                   py::handle hidden, py::handle targets, py::handle weight, py::handle bias,
                   py::handle contexts, py::handle seed, py::handle stream, py::handle reduction) {
  static constexpr std::array<std::string_view, 3> kLosses{"nce", "negative_sampling",
                                                           "sampled_softmax"};
  const auto k = static_cast<std::int64_t>(count(draws, "noise"));
  std::unique_ptr<losses::OutputLoss> loss;
  switch (choice(loss_name, "loss", kLosses)) {
    case 0:
      loss = std::make_unique<losses::NceLoss>(
          noise, losses::NceOptions{k, shared_noise, mask_accidental_hits,
                                    optional_tensor(log_z, "log_z")});
      break;
    case 1:
      loss = std::make_unique<losses::NegativeSamplingLoss>(
          noise, losses::NegativeSamplingOptions{k, shared_noise, mask_accidental_hits});
      break;
    default:
      loss = std::make_unique<losses::SampledSoftmaxLoss>(
          noise, losses::SampledSoftmaxOptions{k, shared_noise, mask_accidental_hits});
  }
  const losses::OutputBatch batch{.hidden = tensor_of(hidden, "hidden"),
                                  .targets = tensor_of(targets, "targets"),
                                  .contexts = optional_tensor(contexts, "contexts")};
  const OutputLayer output = layer_of(weight, bias);
  const Random random = random_of(seed, stream);
  const Reduction how = reduction_of(reduction);
  return released([&] { return (*loss)(batch, output, random, how); });
}

std::vector<std::uint64_t> counts_of(py::handle counts) {
  const Integers each(counts, "counts");
  for (const std::int64_t count : each.values) {
    if (count < 0) refuse("counts", fmt::format("expected integers of 0 or more, got {}", count));
  }
  return {each.values.begin(), each.values.end()};
}

NoiseDistribution unigram(py::handle counts, py::handle alpha) {
  return NoiseDistribution::unigram(counts_of(counts), number(alpha, "alpha"));
}

using Tree = std::shared_ptr<losses::HuffmanTree>;

OutputLayer tree_layer(py::handle weight, py::handle bias, const Tree& tree) {
  OutputLayer output{.weight = tensor_of(weight, "weight"), .bias = optional_tensor(bias, "bias")};
  output.tree = tree;
  return output;
}

Tensor hierarchical_softmax_loss(py::handle hidden, py::handle targets, py::handle weight,
                                 py::handle bias, const Tree& tree, py::handle reduction) {
  const losses::OutputBatch batch{.hidden = tensor_of(hidden, "hidden"),
                                  .targets = tensor_of(targets, "targets")};
  const OutputLayer output = tree_layer(weight, bias, tree);
  const Reduction how = reduction_of(reduction);
  return released([&] { return losses::HierarchicalSoftmaxLoss()(batch, output, Stream{}, how); });
}

Tensor hierarchical_log_probs(py::handle hidden, py::handle weight, py::handle bias,
                              const Tree& tree) {
  const Tensor given = tensor_of(hidden, "hidden");
  const OutputLayer output = tree_layer(weight, bias, tree);
  return released([&] { return losses::logits(given, output); });
}

/// @param tails pairs (projection, weight)
OutputLayer adaptive_layer(py::handle weight, py::handle bias, py::handle tails) {
  OutputLayer output{.weight = tensor_of(weight, "head.weight"),
                     .bias = optional_tensor(bias, "head.bias")};
  for (const py::handle tail : tails) {
    const auto pair = py::reinterpret_borrow<py::sequence>(tail);
    output.tails.push_back({tensor_of(pair[0], "tail"), tensor_of(pair[1], "tail")});
  }
  return output;
}

Tensor adaptive_softmax_loss(py::handle hidden, py::handle targets, py::handle weight,
                             py::handle bias, py::handle tails, py::handle reduction) {
  const losses::OutputBatch batch{.hidden = tensor_of(hidden, "hidden"),
                                  .targets = tensor_of(targets, "targets")};
  const OutputLayer output = adaptive_layer(weight, bias, tails);
  const Reduction how = reduction_of(reduction);
  return released([&] { return losses::AdaptiveSoftmaxLoss()(batch, output, Stream{}, how); });
}

Tensor adaptive_log_probs(py::handle hidden, py::handle weight, py::handle bias, py::handle tails) {
  const Tensor given = tensor_of(hidden, "hidden");
  const OutputLayer output = adaptive_layer(weight, bias, tails);
  return released([&] { return losses::logits(given, output); });
}

/// The weights of an untrained layer: head, then projection and weight of each tail.
std::vector<Tensor> adaptive_weights(py::handle outputs, py::handle dim,
                                     const std::vector<std::int64_t>& cutoffs, py::handle seed) {
  const OutputLayer output = losses::adaptive_layer(
      static_cast<std::int64_t>(count(outputs, "n_classes")),
      static_cast<std::int64_t>(count(dim, "in_features")), cutoffs, random_of(seed, py::int_(0)));
  std::vector<Tensor> all = {output.weight};
  for (const losses::Tail& tail : output.tails) {
    all.push_back(tail.projection);
    all.push_back(tail.weight);
  }
  return all;
}

Tensor linear_cross_entropy(py::handle hidden, py::handle targets, py::handle weight,
                            py::handle bias, py::handle label_smoothing, py::handle z_loss,
                            py::handle row_weights, py::handle soft_cap, py::handle epsilon,
                            py::handle reduction) {
  const Tensor states = tensor_of(hidden, "hidden");
  const Tensor labels = tensor_of(targets, "targets");
  const OutputLayer output = layer_of(weight, bias);
  const losses::LinearCrossEntropyOptions options{
      .label_smoothing = number(label_smoothing, "label_smoothing"),
      .z_loss = number(z_loss, "z_loss"),
      .row_weights = optional_tensor(row_weights, "row_weights"),
      .soft_cap = number(soft_cap, "soft_cap"),
      .epsilon = number(epsilon, "epsilon"),
      .reduction = reduction_of(reduction)};
  return released([&] { return losses::linear_cross_entropy(states, output, labels, options); });
}

/// Indices, perturbed, log_prob [N, k]; log_sum_exp, threshold [N].
std::vector<Tensor> linear_gumbel_top_k(py::handle hidden, py::handle weight, py::handle bias,
                                        py::handle k, py::handle soft_cap, py::handle seed,
                                        py::handle stream) {
  const Tensor states = tensor_of(hidden, "hidden");
  const OutputLayer output = layer_of(weight, bias);
  const std::size_t draws = count(k, "k");
  const double cap = number(soft_cap, "soft_cap");
  const RowStreams streams(seed, stream, static_cast<std::size_t>(states.size(0)));
  const TopKSample sample =
      released([&] { return losses::linear_gumbel_top_k(states, output, draws, streams, cap); });
  const Shape each = {states.size(0), static_cast<std::int64_t>(draws)};
  const auto doubles = [](const std::vector<double>& values) {
    return at::tensor(at::ArrayRef<double>(values), at::kDouble);
  };
  return {at::tensor(at::ArrayRef<std::int64_t>(sample.indices), at::kLong).view(each),
          doubles(sample.perturbed).view(each), doubles(sample.log_prob).view(each),
          doubles(sample.log_sum_exp), doubles(sample.threshold)};
}

/// A loss of logits [..., K] and classes [...].
template <auto loss>
Tensor class_loss(py::handle logits, py::handle target, py::handle reduction) {
  const Tensor given = tensor_of(logits, "logits");
  const Tensor classes = tensor_of(target, "target");
  const Reduction how = reduction_of(reduction);
  return released([&] { return loss(given, classes, how); });
}

losses::PerturbationOptions perturbation(py::handle samples, py::handle epsilon) {
  return {.samples = static_cast<std::int64_t>(count(samples, "samples")),
          .epsilon = number(epsilon, "epsilon")};
}

Tensor perturbed_top_k(py::handle logits, py::handle k, py::handle samples, py::handle epsilon,
                       py::handle seed, py::handle stream) {
  const Tensor given = tensor_of(logits, "logits");
  const auto members = static_cast<std::int64_t>(count(k, "k"));
  const auto options = perturbation(samples, epsilon);
  const Random random = random_of(seed, stream);
  return released([&] { return losses::perturbed_top_k(given, members, random, options); });
}

Tensor perturbed_top_k_loss(py::handle logits, py::handle target, py::handle k, py::handle samples,
                            py::handle epsilon, py::handle seed, py::handle stream,
                            py::handle reduction) {
  const Tensor given = tensor_of(logits, "logits");
  const Tensor sets = tensor_of(target, "target");
  const auto members = static_cast<std::int64_t>(count(k, "k"));
  const auto options = perturbation(samples, epsilon);
  const Random random = random_of(seed, stream);
  const Reduction how = reduction_of(reduction);
  return released(
      [&] { return losses::perturbed_top_k_loss(given, sets, members, random, options, how); });
}

/// @param logits [N, V] @return [N], with a gradient
Tensor replay(py::handle logits, py::handle tokens, py::handle settings, py::handle seed,
              py::handle stream) {
  const Tensor given = tensor_of(logits, "logits");
  const auto rows = static_cast<std::size_t>(given.size(0));
  const std::vector<std::int64_t> drawn = Integers(tokens, "tokens").values;
  const BatchSettings each(settings, rows, States::read);
  const RowStreams streams(seed, stream, rows);
  return released([&] { return replay_log_prob(given, drawn, each, streams); });
}

}  // namespace

void add_losses(py::module_& module) {
  py::class_<NoiseDistribution>(module, "NoiseDistribution")
      .def("draw", [](const NoiseDistribution& noise, const std::vector<std::int64_t>& shape,
                      py::handle seed,
                      py::handle stream) { return noise.draw(shape, random_of(seed, stream)); })
      .def("log_prob",
           [](const NoiseDistribution& noise, py::handle categories) {
             return noise.log_prob(tensor_of(categories, "categories"), at::kDouble);
           })
      .def_property_readonly("size", &NoiseDistribution::size);
  module.def("noise",
             [](const std::vector<double>& weights) { return NoiseDistribution(weights); });
  module.def("uniform_noise", [](py::handle categories) {
    return NoiseDistribution::uniform(static_cast<std::int64_t>(count(categories, "categories")));
  });
  module.def("log_uniform_noise", [](py::handle categories) {
    return NoiseDistribution::log_uniform(
        static_cast<std::int64_t>(count(categories, "categories")));
  });
  module.def("unigram_noise", &unigram);
  module.def("output_loss", &output_loss);
  module.def("adaptive_softmax_loss", &adaptive_softmax_loss);
  module.def("adaptive_log_probs", &adaptive_log_probs);
  module.def("adaptive_weights", &adaptive_weights);
  py::class_<losses::HuffmanTree, Tree>(module, "HuffmanTree").def(py::init([](py::handle counts) {
    return std::make_shared<losses::HuffmanTree>(counts_of(counts));
  }));
  module.def("hierarchical_softmax_loss", &hierarchical_softmax_loss);
  module.def("hierarchical_log_probs", &hierarchical_log_probs);
  module.def("default_cutoffs", [](py::handle outputs) {
    return losses::default_cutoffs(static_cast<std::int64_t>(count(outputs, "n_classes")));
  });
  module.def("linear_cross_entropy", &linear_cross_entropy);
  module.def("linear_gumbel_top_k", &linear_gumbel_top_k);
  module.def("replay_log_prob", &replay);
  module.def("sparsemax", [](py::handle logits) {
    const Tensor given = tensor_of(logits, "logits");
    return released([&] { return losses::sparsemax(given); });
  });
  module.def("entmax15", [](py::handle logits) {
    const Tensor given = tensor_of(logits, "logits");
    return released([&] { return losses::entmax15(given); });
  });
  module.def("sparsemax_loss", &class_loss<&losses::sparsemax_loss>);
  module.def("entmax15_loss", &class_loss<&losses::entmax15_loss>);
  module.def("perturbed_top_k", &perturbed_top_k);
  module.def("perturbed_top_k_loss", &perturbed_top_k_loss);
  module.def("kl_from_uniform", [](py::handle logits, py::handle reduction) {
    return losses::kl_from_uniform(tensor_of(logits, "logits"), reduction_of(reduction));
  });
  module.def("confidence_loss", [](py::handle in_logits, py::handle labels, py::handle out_logits,
                                   py::handle beta) {
    return losses::confidence_loss(tensor_of(in_logits, "in_logits"), tensor_of(labels, "labels"),
                                   tensor_of(out_logits, "out_logits"), number(beta, "beta"));
  });
}

}  // namespace partita::python
