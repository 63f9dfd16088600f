// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/random.hpp"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <tuple>
#include <variant>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/parallel.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/learn/internal/threads.hpp"
#include "partita/learn/rows.hpp"
#include "partita/random/fill.hpp"
#include "partita/random/variates.hpp"

namespace partita {

namespace {

/// Elementwise draws of varying length own this many positions each; none needs as many.
constexpr std::uint64_t kElementPositions = 1U << 16U;
constexpr std::int64_t kGrain = 4096;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The type in which draws are made: at least single precision.
at::ScalarType arithmetic_type(const at::TensorOptions& options) {
  const auto type = at::typeMetaToScalarType(options.dtype());
  return type == at::kHalf || type == at::kBFloat16 ? at::kFloat : type;
}

/// The largest number below 1 in the requested type.
double largest_uniform(const at::TensorOptions& options) {
  return 1 - epsilon(at::typeMetaToScalarType(options.dtype())) / 2;
}

/// Draws in (0, most] in the requested type: rounding to it must not reach 0 or exceed `most`.
Tensor inside(Tensor draws, double most, const at::TensorOptions& options) {
  const auto type = at::typeMetaToScalarType(options.dtype());
  if (type == draws.scalar_type()) return draws.to(options);
  constexpr double kLeastHalf = 0x1p-24;
  return draws.clamp_(type == at::kHalf ? kLeastHalf : 0, most).to(options);
}

/// From 64 bits, x in (0, 1/2] of full relative precision and which end of (0, 1) it counts from:
/// the uniform is x or 1 - x.
struct Halves {
  Tensor x;
  Tensor from_above;
};

Halves halves(const Tensor& bits) {
  // Two's complement: negative bits are those whose unsigned value is over one half.
  const Tensor from_above = bits < 0;
  const Tensor folded = at::where(from_above, -1 - bits, bits);  // [0, 2^63)
  return {(folded.to(at::kDouble) + 0.5) * 0x1p-64, from_above};
}

}  // namespace

struct Random::State {
  std::variant<Stream, at::Generator> source;
  std::uint64_t position = 0;

  const Stream* stream() const { return std::get_if<Stream>(&source); }

  /// The first of `count` positions; the next ones taken begin at a multiple of 4.
  std::uint64_t take(std::uint64_t count) {
    const std::uint64_t first = position;
    position += (count + 3) / 4 * 4;
    return first;
  }

  /// 64 bits per element, from the torch generator.
  Tensor bits(IntArrayRef shape, at::Device device) {
    return at::empty(shape, at::TensorOptions(at::kLong).device(device))
        .random_(std::numeric_limits<std::int64_t>::min(), c10::nullopt,
                 std::get<at::Generator>(source));
  }
};

/// Where the elements of a draw lie among those of the draw for all rows: `length` at a time,
/// `stride` apart.
struct Random::Window {
  std::int64_t first;
  std::int64_t length;
  std::int64_t stride;
  std::int64_t total;  // elements of the draw for all rows
};

Random::Random(Stream stream) : state_(std::make_shared<State>(State{stream})) {}
Random::Random(at::Generator generator)
    : state_(std::make_shared<State>(State{std::move(generator)})) {}

Random Random::of(const Share& share, std::int64_t dim) const {
  if (share.is_whole()) return {state_, std::nullopt};
  if (state_->stream() == nullptr) {
    throw InvalidArgument("random", "rows are shared out with a stream only, got a generator");
  }
  return {state_, OfRows{share, dim}};
}

Random Random::whole() const { return {state_, std::nullopt}; }

Random::Window Random::window(IntArrayRef shape) const {
  const std::int64_t n = c10::multiply_integers(shape);
  if (!rows_) return {0, std::max<std::int64_t>(1, n), 0, n};
  const auto& [share, dim] = *rows_;
  if (dim >= static_cast<std::int64_t>(shape.size()) ||
      shape[static_cast<std::size_t>(dim)] != share.size) {
    throw InvalidArgument("shape", fmt::format("expected {} rows, a share of {}, in dimension {}, "
                                               "got {}",
                                               share.size, share.total, dim, to_string(shape)));
  }
  const std::int64_t row = c10::multiply_integers(shape.slice(static_cast<std::size_t>(dim) + 1));
  return {share.first * row, std::max<std::int64_t>(1, share.size * row), share.total * row,
          n / share.size * share.total};
}

void Random::for_each_piece(IntArrayRef shape, std::int64_t grain, const Piece& body) const {
  const Window own = window(shape);
  at::parallel_for(
      0, c10::multiply_integers(shape), grain, [&](std::int64_t begin, std::int64_t end) {
        while (begin < end) {
          const std::int64_t within = begin % own.length;
          const std::int64_t count = std::min(end - begin, own.length - within);
          const std::int64_t place = own.first + begin / own.length * own.stride + within;
          body(static_cast<std::uint64_t>(place), begin, count);
          begin += count;
        }
      });
}

std::uint64_t Random::first_row(std::int64_t rows) const {
  if (!rows_) return 0;
  const Share& share = rows_->share;
  if (rows % share.size != 0) {
    throw InvalidArgument("rows", fmt::format("expected a multiple of {}, a share of {}, got {}",
                                              share.size, share.total, rows));
  }
  return static_cast<std::uint64_t>(share.first * (rows / share.size));
}

/// On the CPU, of the arithmetic type of `options`.
template <class Fill>
Tensor Random::from_stream(IntArrayRef shape, const at::TensorOptions& options,
                           const Fill& fill) const {
  Tensor out = at::empty(shape, at::TensorOptions(arithmetic_type(options)));
  const Stream& stream = *state_->stream();
  const std::uint64_t first = state_->take(static_cast<std::uint64_t>(window(shape).total));
  AT_DISPATCH_FLOATING_TYPES(out.scalar_type(), "Random", [&] {
    auto* const data = out.data_ptr<scalar_t>();
    for_each_piece(shape, kGrain, [&](std::uint64_t place, std::int64_t begin, std::int64_t count) {
      fill(stream, first + place,
           std::span<scalar_t>(data + begin, static_cast<std::size_t>(count)));
    });
  });
  return out;
}

namespace {

Tensor exponential_from(const Halves& u) {
  return at::where(u.from_above, -at::log1p(-u.x), -u.x.log());
}

}  // namespace

Tensor Random::uniform(IntArrayRef shape, const at::TensorOptions& options) const {
  Tensor draws;
  if (state_->stream() != nullptr) {
    draws = from_stream(shape, options, [](const Stream& s, std::uint64_t at, auto out) {
      fill_uniform(s, at, out);
    });
  } else {
    const Halves u = halves(state_->bits(shape, options.device()));
    draws = at::where(u.from_above, 1 - u.x, u.x).clamp_max_(1 - 0x1p-53);
  }
  return inside(draws, largest_uniform(options), options);
}

Tensor Random::exponential(IntArrayRef shape, const at::TensorOptions& options) const {
  Tensor draws;
  if (state_->stream() != nullptr) {
    draws = from_stream(shape, options, [](const Stream& s, std::uint64_t at, auto out) {
      fill_exponential(s, at, out);
    });
  } else {
    draws = exponential_from(halves(state_->bits(shape, options.device())));
  }
  return inside(draws, kInfinity, options);
}

Tensor Random::normal(IntArrayRef shape, const at::TensorOptions& options) const {
  if (state_->stream() != nullptr) {
    return from_stream(shape, options,
                       [](const Stream& s, std::uint64_t at, auto out) { fill_normal(s, at, out); })
        .to(options);
  }
  return at::empty(shape, options.dtype(arithmetic_type(options)))
      .normal_(0, 1, std::get<at::Generator>(state_->source))
      .to(options);
}

Tensor Random::gumbel(IntArrayRef shape, const at::TensorOptions& options) const {
  if (state_->stream() != nullptr) {
    return from_stream(shape, options,
                       [](const Stream& s, std::uint64_t at, auto out) { fill_gumbel(s, at, out); })
        .to(options);
  }
  return -exponential_from(halves(state_->bits(shape, options.device()))).log().to(options);
}

Tensor Random::logistic(IntArrayRef shape, const at::TensorOptions& options) const {
  if (state_->stream() != nullptr) {
    return from_stream(
               shape, options,
               [](const Stream& s, std::uint64_t at, auto out) { fill_logistic(s, at, out); })
        .to(options);
  }
  const Halves u = halves(state_->bits(shape, options.device()));
  const Tensor low = u.x.log() - at::log1p(-u.x);
  return at::where(u.from_above, -low, low).to(options);
}

Stream Random::fork() const {
  if (rows_) throw InvalidArgument("random", "this draw is not one that rows are shared out of");
  if (const Stream* stream = state_->stream()) return stream->child(state_->take(1));
  const auto& generator = std::get<at::Generator>(state_->source);
  return {.seed = static_cast<std::uint64_t>(
              state_->bits({}, generator.device()).item<std::int64_t>())};
}

namespace {

/// The sizes of two parameters of elementwise draws.
void check_same_shape(const char* name, const Tensor& a, const char* other, const Tensor& b) {
  if (a.sizes() == b.sizes()) return;
  throw InvalidArgument(name, fmt::format("expected the shape of {}, {}, got {}", other,
                                          to_string(b.sizes()), to_string(a.sizes())));
}

/// A parameter of elementwise draws, as they are made.
Tensor prepared(const Tensor& parameter) {
  return parameter.detach().to(at::kCPU, at::kDouble).contiguous();
}

}  // namespace

/// out[i] = variate(draws of element i, parameters[i]...), made in double.
template <class Variate, class... Tensors>
Tensor Random::elementwise(const Variate& variate, const Tensor& first,
                           const Tensors&... others) const {
  const std::array<Tensor, 1 + sizeof...(others)> parameters = {prepared(first),
                                                                prepared(others)...};
  Tensor out = at::empty(first.sizes(), at::kDouble);
  auto* to = out.data_ptr<double>();
  const Stream* const own = state_->stream();
  const Stream stream = own != nullptr ? *own : fork();
  const std::uint64_t position =
      own == nullptr ? 0
                     : state_->take(static_cast<std::uint64_t>(window(first.sizes()).total) *
                                    kElementPositions);
  const auto fill = [&](const auto*... from) {
    for_each_piece(first.sizes(), kGrain / 16,
                   [&](std::uint64_t place, std::int64_t begin, std::int64_t count) {
                     for (std::int64_t i = begin; i < begin + count; ++i) {
                       Draws draws(stream, position + place++ * kElementPositions);
                       to[i] = variate(draws, from[i]...);
                     }
                   });
  };
  std::apply([&](const auto&... t) { fill(t.template data_ptr<double>()...); }, parameters);
  return out.to(first.options());
}

/// The same by fill(stream, position, parameters, out).
template <class Fill>
Tensor Random::filled(const Fill& fill, const Tensor& parameter) const {
  const Tensor from = prepared(parameter);
  Tensor out = at::empty(from.sizes(), from.options());
  const auto* const parameters = from.data_ptr<double>();
  auto* const draws = out.data_ptr<double>();
  const Stream source = whole().fork();
  for_each_piece(
      from.sizes(), kGrain, [&](std::uint64_t place, std::int64_t first, std::int64_t count) {
        const auto n = static_cast<std::size_t>(count);
        fill(source, place, std::span(parameters + first, n), std::span(draws + first, n));
      });
  return out.to(parameter.options());
}

Tensor Random::log_standard_gamma(const Tensor& concentration) const {
  return filled(fill_log_gamma, concentration);
}

Tensor Random::poisson(const Tensor& rate) const { return filled(fill_poisson, rate); }

Tensor Random::binomial(const Tensor& total_count, const Tensor& probs) const {
  check_same_shape("probs", probs, "total_count", total_count);
  return elementwise(binomial_variate, total_count, probs);
}

Tensor Random::von_mises(const Tensor& concentration) const {
  return elementwise(von_mises_variate, concentration);
}

Tensor Random::categorical(const Tensor& logits, std::int64_t count) const {
  if (logits.dim() != 2 || logits.size(1) == 0) {
    throw InvalidArgument("logits",
                          fmt::format("expected [rows, V], got {}", to_string(logits.sizes())));
  }
  check_at_least("count", count, 0);
  const bool has_cpu_source =
      state_->stream() != nullptr || std::get<at::Generator>(state_->source).device().is_cpu();
  if (!has_cpu_source) return gumbel_max(logits.detach(), count);

  const Tensor on_cpu = logits.detach().to(at::kCPU);
  const Rows rows = rows_of(on_cpu, "logits");
  const Stream source = whole().fork();
  const std::uint64_t first = first_row(logits.size(0));
  const auto draws = static_cast<std::size_t>(count);
  const Tensor out = at::empty({logits.size(0), count}, at::kLong);
  auto* const drawn = out.data_ptr<std::int64_t>();
  for_each_row<CategoricalSampler>(
      rows.rows(), {.threads = threads_for(logits.numel() + 64 * out.numel())},
      [&](std::size_t row, CategoricalSampler& sampler) {
        sampler.reset(rows, row, draws);
        sampler.draw(source.child(first + row), 0, {drawn + row * draws, draws});
      });
  return out.t().to(logits.device());
}

Tensor Random::gumbel_max(const Tensor& logits, std::int64_t count) const {
  // As many draws at a time as need this much noise.
  constexpr std::int64_t kNoise = 1 << 22;
  const std::int64_t step =
      std::max<std::int64_t>(1, kNoise / std::max<std::int64_t>(1, logits.numel()));
  const auto options = logits.options().dtype(arithmetic_type(logits.options()));
  Tensor out = at::empty({count, logits.size(0)}, logits.options().dtype(at::kLong));
  for (std::int64_t first = 0; first < count; first += step) {
    const std::int64_t draws = std::min(step, count - first);
    const Tensor noise = gumbel({draws, logits.size(0), logits.size(1)}, options);
    out.narrow(0, first, draws).copy_((logits + noise).argmax(-1));
  }
  return out;
}

}  // namespace partita
