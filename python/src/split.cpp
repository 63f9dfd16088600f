// SPDX-License-Identifier: Apache-2.0
// Vocabularies whose columns are split over processes: partita.split.
#include <memory>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "core.hpp"
#include "draws.hpp"
#include "group.hpp"
#include "partita/split/gumbel_top_k.hpp"
#include "partita/split/sample.hpp"
#include "partita/split/softmax.hpp"
#include "partita/split/stochastic_beam.hpp"
#include "sequence_models.hpp"
#include "settings.hpp"

namespace partita::python {
namespace {

/// SplitColumns, and the group that they are split over.
class Columns {
 public:
  Columns(std::size_t columns, py::handle group, std::size_t shards)
      : group_(group),
        columns_(released([&] { return SplitColumns(columns, group_.get(), shards); })) {}

  const SplitColumns& get() const { return columns_; }

 private:
  OwnedGroup group_;
  SplitColumns columns_;
};

class OwnLogits final : public SplitSequenceModel {
 public:
  explicit OwnLogits(py::handle model) : model_(py::reinterpret_borrow<py::object>(model)) {
    check_python_model(model);
    const py::object end = py::getattr(model, "end_token", py::none());
    if (!end.is_none()) end_token_ = static_cast<Token>(natural(end, "end_token", 0x7FFFFFFF));
  }

  Token end_token() const override { return end_token_; }
  std::unique_ptr<DecodingState> start() const override { return start_python(model_); }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows own) const override {
    check_signals();
    ask_python(model_, prefixes, state, own);
  }

 private:
  py::object model_;
  Token end_token_ = -1;
};

py::tuple gumbel_top_k_of(py::handle object, py::handle k, const Columns& columns, py::handle seed,
                          py::handle stream, py::handle threads) {
  const RowRequest request(object, seed, stream, threads);
  const std::size_t size = count(k, "k");
  return top_k_sample(request.logits, released([&] {
                        return gumbel_top_k(request.rows, size, request.streams, columns.get(),
                                            request.options);
                      }));
}

py::tuple sample_without_replacement_of(py::handle object, py::handle k, const Columns& columns,
                                        py::handle settings, py::handle seed, py::handle stream,
                                        py::handle threads) {
  const RowRequest request(object, seed, stream, threads);
  const BatchSettings each(settings, request.rows.rows(), States::read);
  const std::size_t size = count(k, "k");
  return top_k_sample(request.logits, released([&] {
                        return sample_without_replacement(request.rows, size, each, request.streams,
                                                          columns.get(), request.options);
                      }));
}

using Summary = std::vector<double> (*)(Rows, const SplitColumns&, const RowOptions&);

template <Summary function>
py::object reduce_rows(py::handle object, const Columns& columns, py::handle threads) {
  const FloatArray logits(object, "logits");
  const RowOptions options{.threads = thread_count(threads)};
  return logits.result(released([&] { return function(logits.rows(), columns.get(), options); }),
                       logits.batch_shape());
}

py::object cross_entropy_of(py::handle object, py::handle targets, const Columns& columns,
                            py::handle threads) {
  const FloatArray logits(object, "logits");
  const std::vector<std::int64_t> labels = one_for_each_row(targets, "targets", logits);
  const RowOptions options{.threads = thread_count(threads)};
  return logits.result(
      released([&] { return cross_entropy(logits.rows(), labels, columns.get(), options); }),
      logits.batch_shape());
}

py::tuple stochastic_beam_search_of(py::handle model, py::handle prompt, py::handle k,
                                    const Columns& columns, py::handle seed, py::handle stream,
                                    py::handle max_length, py::handle threads) {
  const Sequence begin = sequence(prompt, "prompt");
  const OwnLogits searched(model);
  const Options options(max_length, py::none(), threads, py::int_(0));
  const std::size_t size = count(k, "k");
  const Stream one = stream_of(seed, stream);
  return as_tuple(released([&] {
    return stochastic_beam_search(searched, begin, size, one, columns.get(), options.get());
  }));
}

}  // namespace

void add_split(py::module_& module) {
  py::options options;  // the first lines below are signatures that inspect and help() read
  options.disable_function_signatures();
  py::class_<Columns>(module, "SplitColumns", R"(SplitColumns(columns, group=None, shards=64)
--

Which columns of a vocabulary are this rank's: first to last - 1.

`columns` is their number in the whole vocabulary, `group` a partita.split.Group (None: this process
alone). The vocabulary is cut into `shards`, of which each rank holds some; what is drawn belongs to
a shard, so results depend on their number and not on that of the ranks. ValueError on every rank if
they do not agree, or if there are more ranks than shards.)")
      .def(py::init([](py::handle columns, py::handle group, py::handle shards) {
             return std::make_unique<Columns>(count(columns, "columns"), group,
                                              count(shards, "shards"));
           }),
           py::arg("columns"), py::arg("group") = py::none(),
           py::arg("shards") = SplitColumns::kShards)
      .def_property_readonly(
          "columns", [](const Columns& c) { return c.get().columns(); }, "Of the whole vocabulary.")
      .def_property_readonly(
          "shards", [](const Columns& c) { return c.get().shards(); }, "How many there are.")
      .def_property_readonly(
          "first", [](const Columns& c) { return c.get().first(); }, "This rank's first column.")
      .def_property_readonly(
          "last", [](const Columns& c) { return c.get().last(); }, "The column after its last.");
  module.def("split_gumbel_top_k", &gumbel_top_k_of);
  module.def("split_sample_without_replacement", &sample_without_replacement_of);
  module.def("split_log_sum_exp", &reduce_rows<log_sum_exp>);
  module.def("split_entropy", &reduce_rows<entropy>);
  module.def("split_cross_entropy", &cross_entropy_of);
  module.def("split_stochastic_beam_search", &stochastic_beam_search_of);
}

}  // namespace partita::python
