// SPDX-License-Identifier: Apache-2.0
// What shared noise makes possible: watermarks, speculative sampling, counterfactual texts; and
// texts that meet a constraint.
#include <array>
#include <string_view>

#include "arguments.hpp"
#include "core.hpp"
#include "draws.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/noise/constrained.hpp"
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

/// A callable (tokens, complete) -> bool.
Constraint constraint_of(py::handle constraint) {
  if (PyCallable_Check(constraint.ptr()) == 0) {
    throw py::type_error("constraint: expected a callable (tokens, complete) -> bool");
  }
  return [constraint](std::span<const Token> text, bool complete) {
    const py::gil_scoped_acquire acquire;
    return constraint(Sequence(text.begin(), text.end()), complete).cast<bool>();
  };
}

py::tuple constrained_sample_of(py::handle model, py::handle constraint, py::handle prompt,
                                py::handle n, py::handle attempts, py::handle seed,
                                py::handle stream, py::handle max_length, py::handle filter) {
  const Sequence begin = sequence(prompt, "prompt");
  const Model sampled(model, begin);
  const Options options(max_length, filter, py::int_(1), py::int_(0));
  const std::size_t samples = count(n, "n");
  const std::size_t most = count(attempts, "most_attempts");
  const RowStreams each(seed, stream, samples);
  const Constraint met = constraint_of(constraint);
  std::vector<Hypothesis> drawn;
  double bound = 1;
  std::size_t tried = 0;
  released([&] {
    ConstrainedSampler sampler(sampled, begin, met, options.get(), most);
    const Streams streams = each;
    for (std::size_t i = 0; i < samples; ++i) drawn.push_back(sampler.draw(streams[i]));
    bound = sampler.mass_bound();
    tried = sampler.attempts();
  });
  return py::make_tuple(as_list(drawn), bound, tried);
}

py::tuple constrained_particles_of(py::handle model, py::handle constraint, py::handle prompt,
                                   py::handle particles, py::handle seed, py::handle stream,
                                   py::handle max_length, py::handle filter) {
  const Sequence begin = sequence(prompt, "prompt");
  const Model sampled(model, begin);
  const Options options(max_length, filter, py::int_(1), py::int_(0));
  const std::size_t size = count(particles, "particles");
  const Stream one = stream_of(seed, stream);
  const Constraint met = constraint_of(constraint);
  WeightedTexts texts = released(
      [&] { return constrained_particles(sampled, begin, met, size, one, options.get()); });
  const Shape shape = {static_cast<py::ssize_t>(texts.weights.size())};
  return py::make_tuple(as_list(texts.sequences), to_numpy(std::move(texts.weights), shape),
                        texts.log_mass, texts.looks);
}

/// (tokens, the place of the accepted candidate or -1)
py::tuple judge_drafts_of(py::handle target, py::handle draft, py::handle candidates,
                          py::handle seed, py::handle stream, py::handle threads) {
  const RowRequest request(target, seed, stream, threads);
  const FloatArray& p = request.logits;
  const FloatArray q(draft, "draft");
  check_same_shape(p, "target", q, "draft");
  const Integers drafted(candidates, "candidates");
  Shape batch = drafted.shape;
  const std::size_t each = batch.empty() ? 0 : static_cast<std::size_t>(batch.back());
  if (!batch.empty()) batch.pop_back();
  if (batch != p.batch_shape() || drafted.shape.empty()) {
    refuse("candidates", "expected a shape of " + to_string(p.batch_shape()) +
                             " and how many there are for each row, got " +
                             to_string(drafted.shape));
  }
  const std::size_t rows = request.rows.rows();
  std::vector<std::int64_t> tokens(rows);
  std::vector<std::int64_t> accepted(rows, -1);
  released([&] {
    const Streams streams = request.streams;
    for_each_row<Sequence>(rows, request.options, [&](std::size_t row, Sequence& some) {
      some.clear();
      for (std::size_t i = row * each; i < (row + 1) * each; ++i) {
        check_index("candidates", drafted.values[i], request.rows.columns(), "tokens");
        some.push_back(static_cast<Token>(drafted.values[i]));
      }
      const SpeculativeDraw draw =
          judge_drafts(request.rows.slice(row, 1), q.rows().slice(row, 1), some, streams[row]);
      tokens[row] = draw.token;
      if (draw.accepted) accepted[row] = static_cast<std::int64_t>(*draw.accepted);
    });
  });
  return py::make_tuple(p.result(std::move(tokens), batch), p.result(std::move(accepted), batch));
}

}  // namespace

void add_noise(py::module_& module) {
  module.def("detect_watermark", &detect_watermark_of);
  module.def("watermarked_sample", &watermarked_sample_of);
  module.def("speculative_sample", &speculative_sample_of);
  module.def("counterfactual_sample", &counterfactual_sample_of);
  module.def("constrained_sample", &constrained_sample_of);
  module.def("constrained_particles", &constrained_particles_of);
  module.def("judge_drafts", &judge_drafts_of);
}

}  // namespace partita::python
