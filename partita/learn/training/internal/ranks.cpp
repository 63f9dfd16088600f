// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/internal/ranks.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/learn/internal/all_reduce.hpp"

namespace partita::training {
namespace {

std::string digest_of(const torch::nn::Module& module) {
  std::vector<std::string> all;
  for (const Tensor& tensor : module.parameters()) all.push_back(digest(tensor));
  for (const Tensor& tensor : module.buffers()) all.push_back(digest(tensor));
  return digest(all);
}

}  // namespace

Group& group_of(std::span<const Part> parts) {
  if (parts.empty()) return Group::alone();
  for (const Part& part : parts) {
    if (part.group == parts.front().group) continue;
    throw InvalidArgument(
        "parts", fmt::format("{} and {} are of different groups", parts.front().name, part.name));
  }
  return *parts.front().group;
}

void check_same_run(const LoopOptions& options, std::span<const Part> parts, Group& group) {
  if (group.size() == 1) return;
  RunFacts facts = options.files.run;
  facts.add("steps", options.steps)
      .add("log every", options.log_every)
      .add("evaluate every", options.evaluate_every)
      .add("patience", options.patience);
  for (const Part& part : parts) {
    facts.add("initial weights of " + part.name, digest_of(*part.module));
  }
  check_same_on_all_ranks(facts, group);
}

Values broadcast(Values values, Group& group) {
  if (group.size() == 1) return values;
  std::vector<double> numbers;
  for (const auto& [name, value] : values) numbers.push_back(value);
  group.broadcast(numbers, 0);
  for (std::size_t i = 0; i < values.size(); ++i) values[i].second = numbers[i];
  return values;
}

Losses added_up(const Losses& losses, Group& group) {
  if (group.size() == 1) return losses;
  std::vector<double> numbers;
  for (const auto& [name, loss] : losses) numbers.push_back(loss.item<double>());
  group.all_reduce(numbers, Reduction::sum);
  Losses sums;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    sums.emplace_back(losses[i].first, at::full({}, numbers[i], at::kDouble));
  }
  return sums;
}

void add_up(std::span<const Tensor> parameters, std::span<Tensor> gradients, Group& group) {
  if (group.size() == 1) return;
  // All gradients, then for each parameter how many ranks have one.
  const auto count = static_cast<std::int64_t>(parameters.size());
  std::int64_t numbers = 0;
  bool in_double = false;
  for (const Tensor& parameter : parameters) {
    numbers += parameter.numel();
    in_double = in_double || parameter.scalar_type() == at::kDouble;
  }
  const Tensor flat = at::zeros({numbers + count}, in_double ? at::kDouble : at::kFloat);
  const Tensor have = flat.narrow(0, numbers, count);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const std::int64_t size = parameters[i].numel();
    if (gradients[i].defined()) {
      flat.narrow(0, at, size).copy_(gradients[i].reshape(-1));
      have[static_cast<std::int64_t>(i)] = 1;
    }
    at += size;
  }
  all_reduce(flat, Reduction::sum, group);
  at = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const std::int64_t size = parameters[i].numel();
    gradients[i] =
        have[static_cast<std::int64_t>(i)].item<double>() == 0
            ? Tensor()
            : flat.narrow(0, at, size).view_as(parameters[i]).to(parameters[i].options());
    at += size;
  }
}

}  // namespace partita::training
