// SPDX-License-Identifier: Apache-2.0
// What shared noise makes possible: watermarks, speculative sampling, counterfactual texts.
#include <array>
#include <string_view>

#include "arguments.hpp"
#include "core.hpp"
#include "partita/noise/counterfactual.hpp"
#include "partita/noise/speculative.hpp"
#include "partita/noise/watermark.hpp"
#include "sequence_models.hpp"

namespace partita::python {
namespace {

/// A partita.Watermark.
Watermark watermark_of(py::handle mark) {
  constexpr std::array<std::string_view, 3> kSchemes = {"gumbel", "green_list", "tournament"};
  const auto layers = natural(mark.attr("layers"), "layers", 1000);
  return {.scheme = static_cast<WatermarkScheme>(choice(mark.attr("scheme"), "scheme", kSchemes)),
          .key = {natural(mark.attr("_upper"), "key"), natural(mark.attr("_lower"), "key")},
          .context_width = count(mark.attr("context_width"), "context_width"),
          .green_fraction = number(mark.attr("green_fraction"), "green_fraction"),
          .green_bias = number(mark.attr("green_bias"), "green_bias"),
          .layers = static_cast<int>(layers)};
}

py::tuple detect_watermark_of(py::handle mark, py::handle texts) {
  const Watermark watermark = watermark_of(mark);
  const std::vector<Sequence> all = sequences(texts, "tokens");
  WatermarkEvidence found = released([&] { return detect_watermark(watermark, all); });
  const Shape shape = {static_cast<py::ssize_t>(found.scores.size())};
  return py::make_tuple(found.p_value, found.score, to_numpy(std::move(found.scores), shape),
                        found.masked);
}

py::list watermarked_sample_of(py::handle model, py::handle mark, py::handle prompt, py::handle n,
                               py::handle seed, py::handle stream, py::handle max_length,
                               py::handle filter, py::handle threads, py::handle batch) {
  const Watermark watermark = watermark_of(mark);
  const Sequence begin = sequence(prompt, "prompt");
  const Model sampled(model, begin);
  const Options options(max_length, filter, threads, batch);
  const std::size_t samples = count(n, "n");
  const RowStreams streams(seed, stream, samples);
  return as_list(released([&] {
    return watermarked_samples(sampled, begin, samples, watermark, streams, options.get());
  }));
}

py::tuple speculative_sample_of(py::handle target, py::handle draft, py::handle prompt,
                                py::handle n, py::handle method, py::handle draft_length,
                                py::handle drafts, py::handle seed, py::handle stream,
                                py::handle max_length, py::handle filter, py::handle threads) {
  constexpr std::array<std::string_view, 2> kMethods = {"rejection", "coupling"};
  const Sequence begin = sequence(prompt, "prompt");
  const Model large(target, begin);
  const Model small(draft, begin);
  const Options options(max_length, filter, threads, py::int_(0));
  const SpeculativeOptions speculation{
      .method = static_cast<SpeculativeMethod>(choice(method, "method", kMethods)),
      .draft_length = count(draft_length, "draft_length"),
      .drafts = count(drafts, "drafts")};
  const std::size_t samples = count(n, "n");
  const RowStreams streams(seed, stream, samples);
  const SpeculativeSamples drawn = released([&] {
    return speculative_samples(large, small, begin, samples, streams, speculation, options.get());
  });
  return py::make_tuple(as_list(drawn.sequences), drawn.tokens, drawn.calls, drawn.accepted);
}

py::list counterfactual_sample_of(py::handle model, py::handle tokens, bool finished,
                                  py::handle prompt, py::handle other, py::handle other_prompt,
                                  py::handle n, py::handle seed, py::handle stream,
                                  py::handle max_length, py::handle filter, py::handle other_filter,
                                  py::handle threads) {
  const Sequence begin = sequence(prompt, "prompt");
  const Sequence other_begin = sequence(other_prompt, "other_prompt");
  const Hypothesis observed{.tokens = sequence(tokens, "observed"), .finished = finished};
  const Model seen(model, begin);
  const Model under(other, other_begin);
  const Options options(max_length, filter, threads, py::int_(0));
  const Options other_options(max_length, other_filter, threads, py::int_(0));
  const std::size_t samples = count(n, "n");
  const RowStreams streams(seed, stream, samples);
  return as_list(released([&] {
    return counterfactual_samples(seen, begin, observed, under, other_begin, samples, streams,
                                  options.get(), other_options.get());
  }));
}

}  // namespace

void add_noise(py::module_& module) {
  module.def("detect_watermark", &detect_watermark_of);
  module.def("watermarked_sample", &watermarked_sample_of);
  module.def("speculative_sample", &speculative_sample_of);
  module.def("counterfactual_sample", &counterfactual_sample_of);
}

}  // namespace partita::python
