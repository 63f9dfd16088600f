// SPDX-License-Identifier: Apache-2.0
// partita._learn: estimators of gradients; learn_*.cpp hold the rest. As in partita._core,
// arguments are positional, and names, defaults and documentation are in python/partita.
#include "learn.hpp"

#include <ATen/Context.h>
#include <fmt/format.h>

#include <array>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "partita/learn/distributions/not_available.hpp"
#include "partita/learn/estimators.hpp"

namespace partita::python {

using namespace estimators;  // NOLINT(google-build-using-namespace): this is its counterpart

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
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): std::function owns it

std::shared_ptr<Estimator> relax(py::handle control_variate, py::handle parameters,
                                 py::handle samples, py::handle temperature) {
  RelaxOptions options{.samples = samples_of(samples),
                       .control_variate = function_of<Tensor>(control_variate, "control_variate"),
                       .parameters = tensors_of(parameters, "parameters")};
  if (!temperature.is_none()) options.temperature = number(temperature, "temperature");
  return std::make_shared<Relax>(std::move(options));
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): std::function owns it

/// Of an estimator whose only option is the number of samples.
template <class E, class Options>
std::shared_ptr<Estimator> with_samples(py::handle samples) {
  return std::make_shared<E>(Options{.samples = samples_of(samples)});
}

template <class E, class Options = RelaxationOptions>
std::shared_ptr<Estimator> relaxation(py::handle samples, py::handle temperature) {
  return std::make_shared<E>(Options{.samples = samples_of(samples),
                                     .temperature = tensor_or_number(temperature, "temperature")});
}

template <class E, class Options>
std::shared_ptr<Estimator> rao_blackwellized(py::handle samples, py::handle temperature,
                                             py::handle inner) {
  return std::make_shared<E>(Options{.samples = samples_of(samples),
                                     .temperature = tensor_or_number(temperature, "temperature"),
                                     .inner = static_cast<std::int64_t>(count(inner, "inner"))});
}

std::shared_ptr<Estimator> perturbed_top_k(py::handle samples, py::handle inner,
                                           py::handle epsilon) {
  return std::make_shared<PerturbedTopK>(
      PerturbedTopKOptions{.samples = samples_of(samples),
                           .inner = static_cast<std::int64_t>(count(inner, "inner")),
                           .epsilon = number(epsilon, "epsilon")});
}

std::shared_ptr<Estimator> implicit_mle(py::handle samples, py::handle step, py::handle temperature,
                                        py::handle terms) {
  return std::make_shared<ImplicitMle>(
      ImplicitMleOptions{.samples = samples_of(samples),
                         .step = number(step, "step"),
                         .temperature = number(temperature, "temperature"),
                         .terms = static_cast<std::int64_t>(count(terms, "terms"))});
}

std::shared_ptr<ScoreFunction> score_function(py::handle samples, py::handle baseline) {
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

}  // namespace

void add_estimators(py::module_& module) {
  py::class_<Estimator, std::shared_ptr<Estimator>>(module, "Estimator")
      .def("estimate", &estimate)
      .def("parameters", &Estimator::parameters);
  py::class_<ScoreFunction, Estimator, std::shared_ptr<ScoreFunction>>(module, "ScoreFunction")
      .def(py::init(&score_function))
      .def_property(
          "average",
          [](const ScoreFunction& estimator) {
            const auto [sum, weight] = estimator.advantage().average();
            return py::make_tuple(sum, weight);
          },
          [](ScoreFunction& estimator, const std::pair<double, double>& average) {
            estimator.advantage().set_average({average.first, average.second});
          });
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
  py::class_<DoubleControlVariates, Estimator, std::shared_ptr<DoubleControlVariates>>(
      module, "DoubleControlVariates")
      .def(py::init([](py::handle samples, py::handle scale, bool tune) {
        return std::make_shared<DoubleControlVariates>(DoubleControlVariatesOptions{
            .samples = samples_of(samples), .scale = number(scale, "scale"), .tune = tune});
      }))
      .def_property_readonly("scale", &DoubleControlVariates::scale);
  module.def("arm", &with_samples<Arm, ArmOptions>);
  module.def("dis_arm", &with_samples<DisArm, ArmOptions>);
  module.def("arms", &with_samples<Arms, ArmsOptions>);
  module.def("pathwise", &with_samples<Pathwise, PathwiseOptions>);
  module.def("sum_and_sample", &with_samples<SumAndSample, SumAndSampleOptions>);
  module.def("concrete", &relaxation<Concrete>);
  module.def("straight_through", &relaxation<StraightThrough, StraightThroughOptions>);
  module.def("straight_through_gumbel", &relaxation<StraightThroughGumbel>);
  module.def("reinmax", &relaxation<ReinMax, ReinMaxOptions>);
  module.def("gumbel_rao", &rao_blackwellized<GumbelRao, GumbelRaoOptions>);
  module.def("reinmax_rao", &rao_blackwellized<ReinMaxRao, ReinMaxRaoOptions>);
  module.def("perturbed_top_k_estimator", &perturbed_top_k);
  module.def("implicit_mle", &implicit_mle);
  module.def("unordered_set", &unordered_set);
  module.def("relax", &relax);
  module.def("enumeration",
             []() -> std::shared_ptr<Estimator> { return std::make_shared<Enumeration>(); });
}

void add_policy_ratios(py::module_& module) {
  module.def("group_advantages", [](py::handle rewards, py::handle baseline) {
    static constexpr std::array<std::string_view, 2> kNames{"leave_one_out", "standardized"};
    return group_advantages(tensor_of(rewards, "rewards"),
                            static_cast<GroupBaseline>(choice(baseline, "baseline", kNames)));
  });
  module.def("clipped_ratio_objective", [](py::handle log_prob, py::handle drawn_log_prob,
                                           py::handle advantage, py::handle low, py::handle high) {
    return clipped_ratio_objective(tensor_of(log_prob, "log_prob"),
                                   tensor_of(drawn_log_prob, "drawn_log_prob"),
                                   tensor_of(advantage, "advantage"),
                                   {.low = number(low, "low"), .high = number(high, "high")});
  });
  module.def(
      "truncated_ratios", [](py::handle log_prob, py::handle drawn_log_prob, py::handle most) {
        return truncated_ratios(tensor_of(log_prob, "log_prob"),
                                tensor_of(drawn_log_prob, "drawn_log_prob"), number(most, "most"));
      });
  module.def(
      "reverse_kl", [](py::handle log_prob, py::handle reference_log_prob, py::handle value) {
        static constexpr std::array<std::string_view, 3> kNames{"k1", "k2", "k3"};
        const auto [surrogate, estimate] = reverse_kl(
            tensor_of(log_prob, "log_prob"), tensor_of(reference_log_prob, "reference_log_prob"),
            static_cast<KlValue>(choice(value, "value", kNames)));
        return std::pair(surrogate, estimate);
      });
}

/// As torch's own distributions do.
// NOLINTNEXTLINE(performance-unnecessary-value-param): pybind11's signature
void translate_not_available(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const distributions::NotAvailable& error) {
    PyErr_SetString(PyExc_NotImplementedError, error.what());
  }
}

PYBIND11_MODULE(_learn, module) {
  py::register_local_exception_translator(&translate_error);
  py::register_local_exception_translator(&translate_not_available);  // tried first
  add_distributions(module);
  add_estimators(module);
  add_policy_ratios(module);
  add_losses(module);
  add_language(module);
}

}  // namespace partita::python
