// SPDX-License-Identifier: Apache-2.0
// Constraints on the parts of a value.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/constraint.hpp"

namespace partita::distributions::constraints {

namespace {

/// "a number > 0 or 0 or 1 ...": what the parts are, in their order.
std::string descriptions(const std::vector<Constraint>& parts) {
  std::vector<std::string> texts;
  for (const Constraint& part : parts) texts.push_back(part.description);
  return fmt::format("{}", fmt::join(texts, "; "));
}

/// @throws InvalidArgument if there is none.
void check_parts(const char* name, const std::vector<Constraint>& parts) {
  if (parts.empty()) {
    throw InvalidArgument("parts", fmt::format("{}: expected 1 constraint or more, got 0", name));
  }
}

/// Of parts along a dimension of the value: the value's dimensions, and whether any is discrete.
Constraint joined(Constraint::Form form, std::vector<Constraint> parts, std::int64_t dim) {
  Constraint result{descriptions(parts), 0, false, nullptr, form};
  for (const Constraint& part : parts) {
    result.event_dim = std::max(result.event_dim, part.event_dim);
    result.is_discrete = result.is_discrete || part.is_discrete;
  }
  result.parts = std::move(parts);
  result.dim = dim;
  return result;
}

}  // namespace

Constraint cat(std::vector<Constraint> parts, std::int64_t dim, std::vector<std::int64_t> lengths) {
  check_parts("cat", parts);
  if (lengths.empty()) lengths.assign(parts.size(), 1);
  if (lengths.size() != parts.size()) {
    throw InvalidArgument("lengths", fmt::format("cat: expected as many as constraints, {}, got {}",
                                                 parts.size(), lengths.size()));
  }
  Constraint result = joined(Constraint::Form::cat, std::move(parts), dim);
  result.lengths = std::move(lengths);
  result.check = [parts = result.parts, lengths = result.lengths, dim](const Tensor& x) {
    std::vector<Tensor> valid;
    std::int64_t start = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      valid.push_back(parts[i].check(x.narrow(dim, start, lengths[i])));
      start += lengths[i];
    }
    return at::cat(valid, dim);
  };
  return result;
}

Constraint stack(std::vector<Constraint> parts, std::int64_t dim) {
  check_parts("stack", parts);
  Constraint result = joined(Constraint::Form::stack, std::move(parts), dim);
  result.check = [parts = result.parts, dim](const Tensor& x) {
    std::vector<Tensor> valid;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      valid.push_back(parts[i].check(x.select(dim, static_cast<std::int64_t>(i))));
    }
    return at::stack(valid, dim);
  };
  return result;
}

}  // namespace partita::distributions::constraints
