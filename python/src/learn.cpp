// partita._learn: estimators of gradients and losses; the distributions are in
// learn_distributions.cpp. As in partita._core, arguments are positional, and names, defaults and
// documentation are in python/partita.
#include "learn.hpp"

#include <ATen/Context.h>
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "partita/learn/estimators.hpp"
#include "partita/learn/losses/confidence.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"

namespace partita::python {

using namespace estimators;  // NOLINT(google-build-using-namespace): this is its counterpart
using losses::NoiseDistribution;
using losses::Reduction;

Tensor tensor_of(py::handle object, std::string_view name) {
  if (THPVariable_Check(object.ptr())) return object.cast<Tensor>();
  throw py::type_error(
      fmt::format("{}: expected a torch.Tensor, got {}", name, Py_TYPE(object.ptr())->tp_name));
}

TensorOrNumber tensor_or_number(py::handle object, std::string_view name) {
  if (THPVariable_Check(object.ptr())) return object.cast<Tensor>();
  return number(object, name);
}

Random random_of(py::handle seed, py::handle stream, const at::Device& device) {
  if (seed.is_none()) return at::globalContext().defaultGenerator(device);
  return Stream{.seed = natural(seed, "seed"), .id = natural(stream, "stream")};
}

namespace {

Tensor optional_tensor(py::handle object, std::string_view name) {
  return object.is_none() ? Tensor() : tensor_of(object, name);
}

std::int64_t samples_of(py::handle object) {
  return static_cast<std::int64_t>(count(object, "samples"));
}

/// A Python object that threads without the interpreter's lock may copy.
std::shared_ptr<const py::object> shared(py::handle object) {
  return {new py::object(py::reinterpret_borrow<py::object>(object)), [](const py::object* held) {
            const py::gil_scoped_acquire acquire;
            delete held;  // NOLINT(cppcoreguidelines-owning-memory)
          }};
}

/// A Python function of tensors that returns one. What it raises comes through.
template <class... Arguments>
std::function<Tensor(const Arguments&...)> function_of(py::handle object, const char* name) {
  if (!static_cast<bool>(PyCallable_Check(object.ptr()))) {
    throw py::type_error(
        fmt::format("{}: expected a function, got {}", name, Py_TYPE(object.ptr())->tp_name));
  }
  return [function = shared(object), name](const Arguments&... arguments) {
    const py::gil_scoped_acquire acquire;
    return tensor_of((*function)(arguments...), fmt::format("{}: result", name));
  };
}

std::vector<Tensor> tensors_of(py::handle object, std::string_view name) {
  std::vector<Tensor> out;
  for (const py::handle each : object) out.push_back(tensor_of(each, name));
  return out;
}

/// By the name of its class in partita.torch.
Baseline baseline_of(py::handle object) {
  if (object.is_none()) return baselines::None{};
  const std::string kind = py::str(py::type::handle_of(object).attr("__name__"));
  if (kind == "MovingAverage") {
    return baselines::MovingAverage{number(object.attr("decay"), "decay")};
  }
  if (kind == "LeaveOneOut") return baselines::LeaveOneOut{};
  if (kind == "Learned") {
    return baselines::Learned{function_of<>(object.attr("function"), "function"),
                              tensors_of(object.attr("parameters"), "parameters")};
  }
  if (kind == "ControlVariate") {
    const py::object function = object.attr("function");
    if (function.is_none()) return baselines::ControlVariate{};
    return baselines::ControlVariate{
        function_of<Tensor>(function, "function"),
        [mean = function_of<>(object.attr("expectation"), "expectation")](const Distribution&) {
          return mean();
        }};
  }
  throw py::type_error(fmt::format(
      "baseline: expected None, MovingAverage, LeaveOneOut, Learned or ControlVariate, got {}",
      kind));
}

std::shared_ptr<Estimator> relax(py::handle control_variate, py::handle parameters,
                                 py::handle samples, py::handle temperature) {
  RelaxOptions options{.samples = samples_of(samples),
                       .control_variate = function_of<Tensor>(control_variate, "control_variate"),
                       .parameters = tensors_of(parameters, "parameters")};
  if (!temperature.is_none()) options.temperature = number(temperature, "temperature");
  return std::make_shared<Relax>(std::move(options));
}

/// Of an estimator whose only option is the number of samples.
template <class E, class Options>
std::shared_ptr<Estimator> with_samples(py::handle samples) {
  return std::make_shared<E>(Options{.samples = samples_of(samples)});
}

template <class E>
std::shared_ptr<Estimator> relaxation(py::handle samples, py::handle temperature) {
  return std::make_shared<E>(RelaxationOptions{
      .samples = samples_of(samples), .temperature = tensor_or_number(temperature, "temperature")});
}

std::shared_ptr<Estimator> score_function(py::handle samples, py::handle baseline) {
  return std::make_shared<ScoreFunction>(
      ScoreFunctionOptions{.samples = samples_of(samples), .baseline = baseline_of(baseline)});
}

std::shared_ptr<Estimator> unordered_set(py::handle samples, bool baseline) {
  return std::make_shared<UnorderedSet>(
      UnorderedSetOptions{.samples = samples_of(samples), .baseline = baseline});
}

std::pair<Tensor, Tensor> estimate(Estimator& estimator, const Distribution& distribution,
                                   py::handle f, py::handle seed, py::handle stream) {
  const Function function = function_of<Tensor>(f, "f");
  const Random random = random_of(seed, stream);
  const auto [surrogate, value] =
      released([&] { return estimator(distribution, function, random); });
  return {surrogate, value};
}

Reduction reduction_of(py::handle object) {
  static constexpr std::array<std::string_view, 3> kNames{"none", "mean", "sum"};
  return static_cast<Reduction>(choice(object, "reduction", kNames));
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
  const losses::OutputLayer output{.weight = tensor_of(weight, "weight"),
                                   .bias = optional_tensor(bias, "bias")};
  const Random random = random_of(seed, stream);
  const Reduction how = reduction_of(reduction);
  return released([&] { return (*loss)(batch, output, random, how); });
}

NoiseDistribution unigram(py::handle counts, py::handle alpha) {
  const Integers each(counts, "counts");
  for (const std::int64_t count : each.values) {
    if (count < 0) refuse("counts", fmt::format("expected integers of 0 or more, got {}", count));
  }
  const std::vector<std::uint64_t> natural(each.values.begin(), each.values.end());
  return NoiseDistribution::unigram(natural, number(alpha, "alpha"));
}

}  // namespace

void add_estimators(py::module_& module) {
  py::class_<Estimator, std::shared_ptr<Estimator>>(module, "Estimator")
      .def("estimate", &estimate)
      .def("parameters", &Estimator::parameters);
  py::class_<Rebar, Estimator, std::shared_ptr<Rebar>>(module, "Rebar")
      .def(py::init([](py::handle samples, py::handle temperature, py::handle scale, bool tune) {
        return std::make_shared<Rebar>(
            RebarOptions{.samples = samples_of(samples),
                         .temperature = number(temperature, "temperature"),
                         .scale = number(scale, "scale"),
                         .tune = tune});
      }))
      .def_property_readonly("temperature", &Rebar::temperature)
      .def_property_readonly("scale", &Rebar::scale);
  module.def("arm", &with_samples<Arm, ArmOptions>);
  module.def("dis_arm", &with_samples<DisArm, ArmOptions>);
  module.def("pathwise", &with_samples<Pathwise, PathwiseOptions>);
  module.def("straight_through", &with_samples<StraightThrough, StraightThroughOptions>);
  module.def("sum_and_sample", &with_samples<SumAndSample, SumAndSampleOptions>);
  module.def("concrete", &relaxation<Concrete>);
  module.def("straight_through_gumbel", &relaxation<StraightThroughGumbel>);
  module.def("unordered_set", &unordered_set);
  module.def("score_function", &score_function);
  module.def("relax", &relax);
  module.def("enumeration",
             []() -> std::shared_ptr<Estimator> { return std::make_shared<Enumeration>(); });
}

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
  module.def("unigram_noise", &unigram);
  module.def("output_loss", &output_loss);
  module.def("kl_from_uniform", [](py::handle logits, py::handle reduction) {
    return losses::kl_from_uniform(tensor_of(logits, "logits"), reduction_of(reduction));
  });
  module.def("confidence_loss", [](py::handle in_logits, py::handle labels, py::handle out_logits,
                                   py::handle beta) {
    return losses::confidence_loss(tensor_of(in_logits, "in_logits"), tensor_of(labels, "labels"),
                                   tensor_of(out_logits, "out_logits"), number(beta, "beta"));
  });
}

PYBIND11_MODULE(_learn, module) {
  py::register_local_exception_translator(&translate_error);
  add_distributions(module);
  add_estimators(module);
  add_losses(module);
}

}  // namespace partita::python
