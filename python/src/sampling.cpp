// SPDX-License-Identifier: Apache-2.0
// Draws of categories: Gumbel-max, Gumbel-top-k, and the sampler.
#include <algorithm>
#include <limits>

#include "arguments.hpp"
#include "core.hpp"
#include "draws.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/sampler/sample.hpp"
#include "settings.hpp"

namespace partita::python {
namespace {

py::tuple gumbel_top_k_of(py::handle logits, py::handle k, py::handle seed, py::handle stream,
                          bool addressed, py::handle threads) {
  const RowRequest request(logits, seed, stream, threads);
  const std::size_t size = count(k, "k");
  return top_k_sample(request.logits, released([&] {
                        const auto draw = addressed ? addressed_gumbel_top_k : gumbel_top_k;
                        return draw(request.rows, size, request.streams,
                                    {.threads = request.options.threads});
                      }));
}

py::object gumbel_max_of(py::handle logits, py::handle seed, py::handle stream, bool addressed,
                         py::handle threads) {
  const RowRequest request(logits, seed, stream, threads);
  const auto draw = addressed ? addressed_gumbel_max : gumbel_max;
  return request.logits.result(
      released([&] { return draw(request.rows, request.streams, request.options); }),
      request.logits.batch_shape());
}

py::object categorical_of(py::handle logits, py::handle draws, py::handle seed, py::handle stream,
                          py::handle threads) {
  const RowRequest request(logits, seed, stream, threads);
  const std::size_t size = count(draws, "draws");
  return request.logits.result(
      released([&] { return categorical(request.rows, size, request.streams, request.options); }),
      with(request.logits.batch_shape(), size));
}

py::object sample_of(py::handle logits, py::handle settings, py::handle seed, py::handle stream,
                     py::handle threads) {
  const RowRequest request(logits, seed, stream, threads);
  const BatchSettings each(settings, request.rows.rows(), States::updated);
  return request.logits.result(
      released([&] { return sample(request.rows, each, request.streams, request.options); }),
      request.logits.batch_shape());
}

py::tuple sample_without_replacement_of(py::handle logits, py::handle k, py::handle settings,
                                        py::handle seed, py::handle stream, py::handle threads) {
  const RowRequest request(logits, seed, stream, threads);
  const BatchSettings each(settings, request.rows.rows(), States::read);
  const std::size_t size = count(k, "k");
  return top_k_sample(request.logits, released([&] {
                        return sample_without_replacement(request.rows, size, each, request.streams,
                                                          request.options);
                      }));
}

py::object replay_log_prob_of(py::handle logits, py::handle tokens, py::handle settings,
                              py::handle seed, py::handle stream, py::handle threads) {
  const RowRequest request(logits, seed, stream, threads);
  const BatchSettings each(settings, request.rows.rows(), States::read);
  const std::vector<std::int64_t> drawn = one_for_each_row(tokens, "tokens", request.logits);
  return request.logits.result(released([&] {
                                 return replay_log_prob(request.rows, drawn, each, request.streams,
                                                        request.options);
                               }),
                               request.logits.batch_shape());
}

/// A field of all draws as an array.
template <class T, class Field>
py::object column(const FloatArray& logits, const std::vector<Draw>& draws, Field field) {
  std::vector<T> values;
  values.reserve(draws.size());
  for (const Draw& draw : draws) values.push_back(static_cast<T>(draw.*field));
  return logits.result(std::move(values), logits.batch_shape());
}

/// The fields of partita.Draws.
py::tuple sample_with_report_of(py::handle object, py::handle settings, py::handle seed,
                                py::handle stream, py::handle top, py::handle kept,
                                py::handle threads) {
  const RowRequest request(object, seed, stream, threads);
  const FloatArray& logits = request.logits;
  const BatchSettings each(settings, request.rows.rows(), States::updated);
  const std::size_t most = std::min(count(top, "top"), request.rows.columns());
  const bool list_kept = py::bool_(py::reinterpret_borrow<py::object>(kept));
  const std::vector<Draw> draws = released([&] {
    return sample_with_report(request.rows, each, request.streams,
                              {.top = most, .kept = list_kept, .threads = request.options.threads});
  });
  std::vector<std::int64_t> top_index(draws.size() * most, -1);
  std::vector<double> top_log_prob(top_index.size(), -std::numeric_limits<double>::infinity());
  py::list kept_lists;
  for (std::size_t row = 0; row < draws.size(); ++row) {
    for (std::size_t i = 0; i < draws[row].top.size(); ++i) {
      top_index[row * most + i] = draws[row].top[i].index;
      top_log_prob[row * most + i] = draws[row].top[i].log_prob;
    }
    if (!list_kept) continue;
    const auto size = static_cast<py::ssize_t>(draws[row].kept.size());
    kept_lists.append(finished(to_numpy(std::vector(draws[row].kept), {size}), logits.torch()));
  }
  const auto reals = [&](double Draw::*field) { return column<double>(logits, draws, field); };
  const auto sizes = [&](std::size_t Draw::*field) {
    return column<std::int64_t>(logits, draws, field);
  };
  const Shape top_shape = with(logits.batch_shape(), most);
  return py::make_tuple(column<std::int64_t>(logits, draws, &Draw::index), reals(&Draw::log_prob),
                        reals(&Draw::raw_log_prob), reals(&Draw::tempered_log_prob),
                        sizes(&Draw::rank), sizes(&Draw::kept_count), reals(&Draw::kept_mass),
                        reals(&Draw::raw_entropy), reals(&Draw::entropy),
                        logits.result(std::move(top_index), top_shape),
                        logits.result(std::move(top_log_prob), top_shape),
                        list_kept ? static_cast<py::object>(kept_lists) : py::none());
}

}  // namespace

void add_sampling(py::module_& module) {
  module.def("gumbel_top_k", &gumbel_top_k_of);
  module.def("gumbel_max", &gumbel_max_of);
  module.def("categorical", &categorical_of);
  module.def("sample", &sample_of);
  module.def("sample_with_report", &sample_with_report_of);
  module.def("sample_without_replacement", &sample_without_replacement_of);
  module.def("replay_log_prob", &replay_log_prob_of);

  py::options options;
  options.disable_function_signatures();
  py::class_<MirostatState>(
      module, "MirostatState",
      "MirostatState(mu=nan)\n\nMirostat's surprise in bits, which each draw updates: one for each "
      "sequence. NaN: begin at 2 tau.")
      .def(py::init([](double mu) { return MirostatState{mu}; }),
           py::arg("mu") = std::numeric_limits<double>::quiet_NaN())
      .def_readwrite("mu", &MirostatState::mu)
      .def(py::pickle([](const MirostatState& s) { return py::make_tuple(s.mu); },
                      [](const py::tuple& t) { return MirostatState{t[0].cast<double>()}; }));
  py::class_<AdaptiveState>(module, "AdaptiveState",
                            "AdaptiveState(weighted_sum=0, total_weight=0)\n\nAdaptive-p's memory, "
                            "which each draw updates: one for each sequence.")
      .def(py::init([](double weighted_sum, double total_weight) {
             return AdaptiveState{weighted_sum, total_weight};
           }),
           py::arg("weighted_sum") = 0.0, py::arg("total_weight") = 0.0)
      .def_readwrite("weighted_sum", &AdaptiveState::weighted_sum)
      .def_readwrite("total_weight", &AdaptiveState::total_weight)
      .def(py::pickle(
          [](const AdaptiveState& s) { return py::make_tuple(s.weighted_sum, s.total_weight); },
          [](const py::tuple& t) {
            return AdaptiveState{t[0].cast<double>(), t[1].cast<double>()};
          }));
}

}  // namespace partita::python
