// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/linear_softmax.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/rows.hpp"
#include "partita/linear/linear_softmax.hpp"

namespace partita::losses {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

Tensor view(const float* data, std::size_t rows, std::size_t columns, std::size_t stride) {
  const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  return at::from_blob(const_cast<float*>(data), {size(rows), size(columns)}, {size(stride), 1},
                       at::kFloat);
}

void multiply(const MatrixProduct& p) {
  const at::NoGradGuard no_grad;
  const Tensor a =
      p.transpose_a ? view(p.a, p.k, p.m, p.a_stride).t() : view(p.a, p.m, p.k, p.a_stride);
  const Tensor b =
      p.transpose_b ? view(p.b, p.n, p.k, p.b_stride).t() : view(p.b, p.k, p.n, p.b_stride);
  Tensor c = view(p.c, p.m, p.n, p.c_stride);
  if (p.beta == 0) {
    at::mm_out(c, a, b);
  } else {
    c.addmm_(a, b);
  }
}

std::span<const double> doubles(const Tensor& tensor) {
  return {tensor.data_ptr<double>(), static_cast<std::size_t>(tensor.numel())};
}

Tensor floats(const std::vector<double>& values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).to(at::kFloat);
}

/// The tensors that a pass looks at, and the pass.
struct Layer {
  Tensor hidden;
  Tensor weight;
  Tensor bias;  // float, or undefined

  Layer(const Tensor& h, const Tensor& w, const Tensor& b)
      : hidden(h.detach()),
        weight(w.detach()),
        bias(b.defined() ? b.detach().to(at::kFloat).contiguous() : Tensor()) {}

  LinearLayer linear(double soft_cap) const {
    LinearLayer out{.weights = rows_of(weight, "weight"), .soft_cap = soft_cap};
    if (bias.defined()) {
      out.bias = {bias.data_ptr<float>(), static_cast<std::size_t>(bias.numel())};
    }
    return out;
  }
};

struct Pass {
  Layer layer;
  LinearSoftmaxOptions options;
  LinearSoftmax found;

  Pass(Layer of, const Tensor& targets, const LinearSoftmaxOptions& asked)
      : layer(std::move(of)),
        options(asked),
        found(rows_of(layer.hidden, "hidden"), layer.linear(asked.soft_cap), multiply,
              {.targets = {targets.data_ptr<std::int64_t>(),
                           static_cast<std::size_t>(targets.numel())},
               .mean_log_prob = asked.mean_log_prob,
               .entropy = asked.entropy,
               .threads = at::get_num_threads()}) {}
};

/// The pass belongs to the graph, and is not copied with it.
struct PassHolder : torch::CustomClassHolder {
  explicit PassHolder(std::shared_ptr<const Pass> it) : pass(std::move(it)) {}
  std::shared_ptr<const Pass> pass;
};

struct LinearSoftmaxFunction : Function<LinearSoftmaxFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& hidden, const Tensor& weight,
                               const c10::optional<Tensor>& bias, const Tensor& targets,
                               const LinearSoftmaxOptions& options) {
    const auto pass = std::make_shared<const Pass>(Layer(hidden, weight, bias.value_or(Tensor())),
                                                   targets, options);
    context->save_for_backward(
        {hidden, weight, bias.value_or(Tensor())});  // torch then sees a change in place
    context->saved_data["pass"] = c10::IValue::make_capsule(c10::make_intrusive<PassHolder>(pass));
    const LinearSoftmax& found = pass->found;
    return {floats(found.log_prob()), floats(found.log_sum_exp()), floats(found.mean_log_prob()),
            floats(found.entropy())};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    if (at::GradMode::is_enabled()) throw Error("linear_softmax has no second derivatives");
    const Tensor bias_given = context->get_saved_variables()[2];
    const auto holder =
        c10::static_intrusive_pointer_cast<PassHolder>(context->saved_data["pass"].toCapsule());
    const Pass& pass = *holder->pass;
    const auto wants = [&](std::size_t i) { return context->needs_input_grad(i); };
    const auto cotangent = [](const Tensor& gradient) {
      return gradient.defined() ? gradient.to(at::kDouble).contiguous() : Tensor();
    };
    std::vector<Tensor> by;
    for (const Tensor& gradient : gradients) by.push_back(cotangent(gradient));
    const auto span = [&](std::size_t i) {
      return by[i].defined() ? doubles(by[i]) : std::span<const double>();
    };
    const Layer& layer = pass.layer;
    const auto zeros = [](const Tensor& like) {
      return at::zeros(like.sizes(), at::TensorOptions(at::kFloat));
    };
    const Tensor hidden = wants(0) ? zeros(layer.hidden) : Tensor();
    const Tensor weight = wants(1) ? zeros(layer.weight) : Tensor();
    const Tensor bias = layer.bias.defined() && wants(2) ? zeros(layer.bias) : Tensor();
    const auto data = [](const Tensor& t) { return t.defined() ? t.data_ptr<float>() : nullptr; };
    pass.found.add_gradients(
        {.log_prob = span(0), .log_sum_exp = span(1), .mean_log_prob = span(2), .entropy = span(3)},
        {.hidden = data(hidden), .weights = data(weight), .bias = data(bias)},
        {.epsilon = pass.options.epsilon, .threads = at::get_num_threads()});
    const auto as = [](const Tensor& given, const Tensor& gradient) {
      return gradient.defined() ? gradient.to(given.scalar_type()) : Tensor();
    };
    return {as(layer.hidden, hidden), as(layer.weight, weight), as(bias_given, bias), Tensor(),
            Tensor()};
  }
};

void check(const Tensor& hidden, const OutputLayer& output) {
  if (!output.tails.empty()) {
    throw InvalidArgument("output", "has tails, which need AdaptiveSoftmaxLoss");
  }
  if (output.tree != nullptr) {
    throw InvalidArgument("output", "has a tree, which needs HierarchicalSoftmaxLoss");
  }
  if (output.columns != nullptr) {
    throw InvalidArgument("output", "is split over ranks, which needs FullSoftmaxLoss");
  }
  const Tensor& weight = output.weight;
  const at::ScalarType type = weight.scalar_type();
  if (weight.dim() != 2 || weight.size(0) == 0 || !weight.device().is_cpu() ||
      (type != at::kFloat && type != at::kBFloat16 && type != at::kHalf)) {
    throw InvalidArgument(
        "weight", fmt::format("expected float, bfloat16 or half [V, d] on the CPU, got {} {}",
                              at::toString(type), to_string(weight.sizes())));
  }
  if (hidden.dim() != 2 || hidden.size(0) == 0 || hidden.size(1) != weight.size(1) ||
      hidden.scalar_type() != type || !hidden.device().is_cpu()) {
    throw InvalidArgument(
        "hidden", fmt::format("expected {} [N, {}] on the CPU, as weight has it, got {} {}",
                              at::toString(type), weight.size(1),
                              at::toString(hidden.scalar_type()), to_string(hidden.sizes())));
  }
  if (output.bias.defined() && output.bias.sizes() != weight.sizes().slice(0, 1)) {
    throw InvalidArgument("bias", fmt::format("expected [{}], got {}", weight.size(0),
                                              to_string(output.bias.sizes())));
  }
}

}  // namespace

LinearSoftmaxTensors linear_softmax(const Tensor& hidden, const OutputLayer& output,
                                    const Tensor& targets, const LinearSoftmaxOptions& options) {
  check(hidden, output);
  check_in("epsilon", options.epsilon, "[0, 1)");
  if (!at::isIntegralType(targets.scalar_type(), /*includeBool=*/false) || targets.dim() != 1 ||
      targets.size(0) != hidden.size(0)) {
    throw InvalidArgument(
        "targets", fmt::format("expected integers [{}], got {} {}", hidden.size(0),
                               at::toString(targets.scalar_type()), to_string(targets.sizes())));
  }
  const Tensor indices = targets.to(at::kCPU, at::kLong).contiguous();
  const variable_list out = LinearSoftmaxFunction::apply(
      hidden, output.weight, output.bias.defined() ? c10::make_optional(output.bias) : c10::nullopt,
      indices, options);
  return {out[0], out[1], options.mean_log_prob ? out[2] : Tensor(),
          options.entropy ? out[3] : Tensor()};
}

Tensor linear_cross_entropy(const Tensor& hidden, const OutputLayer& output, const Tensor& targets,
                            const LinearCrossEntropyOptions& options) {
  const double s = options.label_smoothing;
  check_in("label_smoothing", s, "[0, 1]");
  check_in("z_loss", options.z_loss, "[0, inf)");
  const auto found = linear_softmax(
      hidden, output, targets,
      {.mean_log_prob = s > 0, .soft_cap = options.soft_cap, .epsilon = options.epsilon});
  Tensor each = -found.log_prob;
  if (s > 0) each = (1 - s) * each - s * found.mean_log_prob;
  if (options.z_loss > 0) each = each + options.z_loss * found.log_sum_exp.square();
  Tensor weights = (targets.to(each.device()) != LinearSoftmax::kIgnored).to(each.scalar_type());
  if (options.row_weights.defined()) {
    if (options.row_weights.sizes() != weights.sizes()) {
      throw InvalidArgument("row_weights",
                            fmt::format("expected {}, got {}", to_string(weights.sizes()),
                                        to_string(options.row_weights.sizes())));
    }
    weights = weights * options.row_weights.to(each.scalar_type());
  }
  each = each * weights;
  switch (options.reduction) {
    case Reduction::none:
      return each;
    case Reduction::sum:
      return each.sum();
    case Reduction::mean:
      break;
  }
  return each.sum() / weights.sum();
}

TopKSample linear_gumbel_top_k(const Tensor& hidden, const OutputLayer& output, std::size_t k,
                               const Streams& streams, double soft_cap) {
  check(hidden, output);
  check_at_least("k", k, 1);
  const Layer layer(hidden, output.weight, output.bias);
  return LinearSoftmax(rows_of(layer.hidden, "hidden"), layer.linear(soft_cap), multiply,
                       {.k = k, .streams = streams, .threads = at::get_num_threads()})
      .sample();
}

}  // namespace partita::losses
