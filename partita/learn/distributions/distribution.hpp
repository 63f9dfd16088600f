// SPDX-License-Identifier: Apache-2.0
// What every distribution can do; the names, argument orders, shapes and semantics are those of
// Python's torch.distributions, so that a snippet translates line by line:
//
//   m = Normal(loc, scale)                      Normal m(loc, scale);
//   z = m.rsample((64,))                        Tensor z = m.rsample({64}, random);
//   loss = -m.log_prob(z).mean()                Tensor loss = -m.log_prob(z).mean();
//   kl_divergence(m, prior)                     kl_divergence(m, prior);
//   Bernoulli(logits=x), Bernoulli(p)           Bernoulli(Logits(x)), Bernoulli(p)
//   m.expand([8, 3])                            m.expand({8, 3}), a DistributionPtr
//
// Deliberate differences: a draw takes its source of random numbers as an argument (random.hpp);
// every error is an InvalidArgument that names the parameter and its value; log_cdf() and
// log_survival() do not underflow.
//
// Shapes. A sample is [sample_shape, batch_shape, event_shape]. batch_shape: the parameters'
// broadcast shape, independent but not identical draws; event_shape: one draw (empty for Normal,
// [K] for Dirichlet). log_prob, cdf and entropy sum over the event and return [..., batch_shape].
// Parameters and values broadcast as tensors do. Distributions are values: cheap to copy (tensors
// are shared), and never change.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "partita/learn/distributions/constraint.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::distributions {

class Distribution;
struct UnivariateTails;
using DistributionPtr = std::shared_ptr<const Distribution>;

/// Marks an argument as unnormalized log-probabilities, or the log-odds of two outcomes, in place
/// of probabilities. `Categorical c{Logits(z)};` is a variable; with parentheses outside, C++ reads
/// the declaration of a function.
struct Logits {
  explicit Logits(TensorOrNumber argument) : value(std::move(argument)) {}
  TensorOrNumber value;
};

/// A constructor's argument: its name in Python, its value, and the constraint on it. The
/// constraint's event_dim tells how many trailing dimensions are not batch dimensions.
struct Argument {
  const char* name;
  TensorOrNumber value;
  Constraint constraint;
};

/// Python's pair of arguments (probs=None, logits=None), exactly one of which is given.
class ProbsOrLogits {
 public:
  ProbsOrLogits(Tensor probs) : value_(std::move(probs)) {}  // NOLINT(google-explicit-constructor)
  ProbsOrLogits(double probs) : value_(probs) {}             // NOLINT(google-explicit-constructor)
  ProbsOrLogits(Logits logits)                               // NOLINT(google-explicit-constructor)
      : value_(std::move(logits.value)), is_logits_(true) {}

  const TensorOrNumber& value() const { return value_; }
  bool is_logits() const { return is_logits_; }
  const char* name() const { return is_logits_ ? "logits" : "probs"; }
  Argument argument(const Constraint& probs, const Constraint& logits) const {
    return {name(), value_, is_logits_ ? logits : probs};
  }

 private:
  TensorOrNumber value_;
  bool is_logits_ = false;
};

/// A distribution's parameter: an argument whose values have become a tensor.
struct Parameter {
  const char* name;
  Tensor value;
  Constraint constraint;
};

class Distribution {
 public:
  virtual ~Distribution() = default;

  const char* name() const { return name_; }
  IntArrayRef batch_shape() const { return batch_shape_; }
  IntArrayRef event_shape() const { return event_shape_; }
  /// The parameters as given, broadcast to batch_shape.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// "Normal(loc: 0, scale: [3])": the value of a single-element parameter, the shape of any other.
  virtual std::string to_string() const;

  /// The type and device of samples.
  virtual at::TensorOptions options() const;
  virtual Constraint support() const = 0;
  /// Whether rsample() has a gradient.
  virtual bool has_rsample() const { return false; }

  /// Draws without gradient, [sample_shape, batch_shape, event_shape]. A draw that would round to a
  /// number of infinite density, or overflow, is the nearest that does not.
  /// @throws InvalidArgument if a size in sample_shape is negative; so does rsample().
  Tensor sample(IntArrayRef sample_shape, const Random& random) const;
  Tensor sample(const Random& random) const { return sample({}, random); }
  /// Draws whose gradient reaches the parameters, pathwise or implicit (Figurnov, Mohamed, Mnih
  /// 2018). @throws InvalidArgument if the distribution has none.
  Tensor rsample(IntArrayRef sample_shape, const Random& random) const;
  Tensor rsample(const Random& random) const { return rsample({}, random); }

  /// log density (or log probability) of `value`, [..., batch_shape]. Outside the support -inf,
  /// without gradient, if validate_args is off.
  /// @throws InvalidArgument if `value` has the wrong shape or (with validate_args) lies outside
  ///         the support; so do the next four.
  Tensor log_prob(const Tensor& value) const;
  /// P(X <= value). This, log_cdf and log_survival are computed in double precision and returned in
  /// the type of value and parameters; so are their gradients. Outside the support they are 0 or 1,
  /// or the logarithms of these; between whole numbers, those of the next one below.
  Tensor cdf(const Tensor& value) const;
  /// log P(X <= value); accurate where cdf() underflows.
  Tensor log_cdf(const Tensor& value) const;
  /// log P(X > value); accurate where 1 - cdf() cancels.
  Tensor log_survival(const Tensor& value) const;
  /// The quantile: the least x with P(X <= x) >= probability, for probabilities in [0, 1]; those of
  /// 0 and 1 are the ends of the support. Of univariate distributions, all of which have it: in
  /// closed form, or by search (internal/quantile.hpp).
  Tensor icdf(const Tensor& probability) const;
  /// The inverse survival function, icdf(1 - probability): the least x with P(X > x) <=
  /// probability; accurate for small probabilities, whose difference from 1 rounds. (Python has
  /// none.)
  Tensor isf(const Tensor& probability) const;

  // entropy is [batch_shape]; mean, mode and variance are [batch_shape, event_shape]. NaN where
  // undefined (the mean of a Cauchy), +inf where infinite. @throws InvalidArgument where Python
  // does not define it either.
  virtual Tensor entropy() const;
  virtual Tensor mean() const;
  virtual Tensor mode() const;
  virtual Tensor variance() const;
  Tensor stddev() const { return variance().sqrt(); }
  Tensor perplexity() const { return entropy().exp(); }

  /// All values of a discrete distribution of finite support, [cardinality, batch_shape,
  /// event_shape], or with batch dimensions of size 1 unless `expand`.
  virtual bool has_enumerate_support() const { return false; }
  virtual Tensor enumerate_support(bool expand = true) const;

  /// The same distribution with its parameters expanded (not copied) to `batch_shape`.
  /// @throws InvalidArgument if they do not broadcast to it.
  virtual DistributionPtr expand(IntArrayRef batch_shape) const;

  bool validate_args() const { return validate_args_; }

 protected:
  /// Converts the arguments to tensors of one floating-point type (as_tensors), broadcasts them
  /// against each other and, if `validate_args`, checks them.
  /// @throws InvalidArgument naming the parameter, the offending value and its index.
  Distribution(const char* name, const std::vector<Argument>& arguments, IntArrayRef event_shape,
               bool validate_args);
  Distribution(const Distribution&) = default;
  Distribution(Distribution&&) = default;
  Distribution& operator=(const Distribution&) = default;
  Distribution& operator=(Distribution&&) = default;

  const Tensor& parameter(std::size_t index) const { return parameters_[index].value; }
  /// "loc: 0, scale: [3]".
  std::string parameters_to_string() const;
  /// sample_shape + batch_shape + event_shape.
  Shape extended_shape(IntArrayRef sample_shape) const;
  /// Throws "rsample: not available for Bernoulli: ...", for a method that a distribution lacks.
  [[noreturn]] void unavailable(const char* method, const char* why = nullptr) const;
  /// @throws InvalidArgument if the batch does not broadcast to `batch_shape`.
  void check_expands(IntArrayRef batch_shape) const;
  /// enumerate_support() of a univariate distribution: its values [C] as [C, batch_shape].
  Tensor over_batch(const Tensor& values, bool expand) const;

  virtual std::shared_ptr<Distribution> clone() const = 0;
  /// Converts the parameters, and what was computed from them.
  virtual void set_type(at::ScalarType type);
  /// Draws of shape [sample_shape, batch_shape, event_shape]. A distribution without rsample
  /// overrides do_sample, one with it do_rsample.
  virtual Tensor do_sample(IntArrayRef sample_shape, const Random& random) const;
  virtual Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const;
  /// Draws that were made in single precision, in the type of the parameters.
  virtual Tensor narrowed(const Tensor& draws) const;
  // The value has been checked.
  virtual Tensor do_log_prob(const Tensor& value) const = 0;
  virtual Tensor do_cdf(const Tensor& value) const;
  virtual Tensor do_log_cdf(const Tensor& value) const;       ///< log of do_cdf, if not overridden
  virtual Tensor do_log_survival(const Tensor& value) const;  ///< log1p(-do_cdf)
  // log P(X < value) and log P(X >= value): the two above, but for what is at `value` itself.
  virtual Tensor do_log_cdf_below(const Tensor& value) const;
  virtual Tensor do_log_survival_from(const Tensor& value) const;
  // Both by search between the support's bounds, if not overridden.
  virtual Tensor do_icdf(const Tensor& probability) const;
  virtual Tensor do_isf(const Tensor& probability) const;
  /// icdf (or isf) by search between the ends of the support, in the type of samples.
  Tensor search_icdf(const Tensor& probability, const Tensor& low, const Tensor& high) const;
  Tensor search_isf(const Tensor& probability, const Tensor& low, const Tensor& high) const;
  /// A univariate draw (in double, strictly inside the support) with its implicit gradient.
  Tensor with_implicit_gradient(const Tensor& draw) const;
  /// Where log_prob() has a value if arguments are not validated: the support, or more.
  virtual Constraint scored() const { return support(); }
  /// The largest number of a discrete support, continued to either side, that is at most `value`.
  virtual Tensor rounded_down(const Tensor& value) const { return value.floor(); }
  /// The smallest that is at least `value`.
  virtual Tensor rounded_up(const Tensor& value) const { return value.ceil(); }

  Shape batch_shape_;
  Shape event_shape_;

 private:
  using Method = Tensor (Distribution::*)(const Tensor&) const;

  void check_value(const Tensor& value) const;
  void check_shape(const char* argument, const Tensor& value) const;
  void check_within(const char* argument, const Tensor& value, const Constraint& support) const;
  UnivariateTails tails(const Tensor& low, const Tensor& high) const;
  Tensor search(const char* method, bool upper, const Tensor& probability, const Tensor& low,
                const Tensor& high) const;

  /// log_prob() of values that are known to be in the support.
  Tensor log_prob_inside(const Tensor& value) const;
  // The public methods for any number, whether or not arguments are to be validated.
  Tensor log_prob_anywhere(const Tensor& value) const;
  Tensor cdf_anywhere(const Tensor& value) const;
  Tensor log_cdf_anywhere(const Tensor& value) const;
  Tensor log_survival_anywhere(const Tensor& value) const;
  /// A method that is `below` the support and `above` it as given.
  Tensor tail_anywhere(Method method, const Tensor& value, double below, double above) const;
  /// The value, and where it is not `inside` the support a draw, at which everything is finite.
  Tensor with_draws_outside(const Tensor& value, const Tensor& inside) const;
  /// The type of the parameters; of a distribution that has none of its own, nothing.
  c10::optional<at::ScalarType> parameter_type() const;
  /// Whether libtorch lacks operators for the parameters' type: half precision on the CPU.
  bool is_narrow() const;
  /// The same distribution with parameters of another type.
  DistributionPtr with_type(at::ScalarType type) const;

  // These call what they are made of without checking the value a second time.
  friend class Independent;
  friend class MixtureSameFamily;
  friend class TransformedDistribution;
  friend class ZeroInflated;
  friend Tensor kl_divergence(const Distribution& p, const Distribution& q);

  const char* name_;
  std::vector<Parameter> parameters_;
  bool validate_args_;
};

/// A distribution passed to one that is made of others (Independent, MixtureSameFamily): any
/// distribution by value, or the result of expand().
class AnyDistribution {
 public:
  AnyDistribution(DistributionPtr distribution)  // NOLINT(google-explicit-constructor)
      : distribution_(std::move(distribution)) {}
  template <std::derived_from<Distribution> D>
  AnyDistribution(const D& distribution)  // NOLINT(google-explicit-constructor)
      : distribution_(std::make_shared<D>(distribution)) {}

  const DistributionPtr& ptr() const { return distribution_; }

 private:
  DistributionPtr distribution_;
};

}  // namespace partita::distributions
