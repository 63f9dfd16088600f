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
// What differs, on purpose: a draw names its source of numbers (random.hpp); everything thrown is
// an InvalidArgument whose text holds the parameter's name and value; log_cdf() and log_survival()
// do not underflow.
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
using DistributionPtr = std::shared_ptr<const Distribution>;

/// Unnormalized log-probabilities, or log-odds of two outcomes, where probabilities may stand.
struct Logits {
  explicit Logits(TensorOrNumber argument) : value(std::move(argument)) {}
  TensorOrNumber value;
};

/// What a constructor is given for a parameter: its name in Python, a tensor or a number, and what
/// it must satisfy. The constraint's event_dim tells how many of the last dimensions are not batch
/// dimensions.
struct Argument {
  const char* name;
  TensorOrNumber value;
  Constraint constraint;
};

/// Python's pair of arguments (probs=None, logits=None), of which one is given.
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
  /// "Normal(loc: 0, scale: [3])": a value where there is one, else a shape.
  virtual std::string to_string() const;

  /// The type and device of samples.
  virtual at::TensorOptions options() const;
  virtual Constraint support() const = 0;
  /// Whether rsample() has a gradient.
  virtual bool has_rsample() const { return false; }

  /// Draws without gradient, [sample_shape, batch_shape, event_shape].
  Tensor sample(IntArrayRef sample_shape, const Random& random) const;
  Tensor sample(const Random& random) const { return sample({}, random); }
  /// Draws whose gradient reaches the parameters, pathwise or implicit (Figurnov, Mohamed, Mnih
  /// 2018). @throws InvalidArgument if the distribution has none.
  Tensor rsample(IntArrayRef sample_shape, const Random& random) const;
  Tensor rsample(const Random& random) const { return rsample({}, random); }

  /// log density (or log probability) of `value`, [..., batch_shape].
  /// @throws InvalidArgument if `value` is not of the right shape or (validate_args) outside the
  ///         support. Likewise the next four.
  Tensor log_prob(const Tensor& value) const;
  /// P(X <= value).
  Tensor cdf(const Tensor& value) const;
  /// log P(X <= value); accurate where cdf() underflows.
  Tensor log_cdf(const Tensor& value) const;
  /// log P(X > value); accurate where 1 - cdf() cancels.
  Tensor log_survival(const Tensor& value) const;
  /// The inverse of cdf, for probabilities in [0, 1].
  Tensor icdf(const Tensor& probability) const;

  // [batch_shape], and mean, mode, variance [batch_shape, event_shape]. NaN where undefined (the
  // mean of a Cauchy), +inf where infinite. @throws InvalidArgument where Python has none either.
  virtual Tensor entropy() const;
  virtual Tensor mean() const;
  virtual Tensor mode() const;
  virtual Tensor variance() const;
  Tensor stddev() const { return variance().sqrt(); }
  Tensor perplexity() const { return entropy().exp(); }

  /// All values of a discrete distribution of finite support, [cardinality, batch_shape,
  /// event_shape], or with batch dimensions of 1 if not `expand`.
  virtual bool has_enumerate_support() const { return false; }
  virtual Tensor enumerate_support(bool expand = true) const;

  /// The same distribution with its parameters expanded (not copied) to `batch_shape`.
  virtual DistributionPtr expand(IntArrayRef batch_shape) const;

  bool validate_args() const { return validate_args_; }

 protected:
  /// Takes the arguments as tensors of one floating-point type (as_tensors), broadcasts them
  /// against each other and, if `validate_args`, checks them.
  /// @throws InvalidArgument naming the parameter, with the offending value and its place.
  Distribution(const char* name, const std::vector<Argument>& arguments, IntArrayRef event_shape,
               bool validate_args);
  Distribution(const Distribution&) = default;
  Distribution(Distribution&&) = default;
  Distribution& operator=(const Distribution&) = default;
  Distribution& operator=(Distribution&&) = default;

  const Tensor& parameter(std::size_t index) const { return parameters_[index].value; }
  /// sample_shape + batch_shape + event_shape.
  Shape extended_shape(IntArrayRef sample_shape) const;
  /// "Bernoulli has no rsample: ...", for what a distribution does not have.
  [[noreturn]] void unavailable(const char* method, const char* why = nullptr) const;
  /// enumerate_support() of a univariate distribution: its values [C] as [C, batch_shape].
  Tensor over_batch(const Tensor& values, bool expand) const;

  virtual std::shared_ptr<Distribution> clone() const = 0;
  /// Draws of shape [sample_shape, batch_shape, event_shape]. A distribution without rsample
  /// overrides do_sample, one with it do_rsample.
  virtual Tensor do_sample(IntArrayRef sample_shape, const Random& random) const;
  virtual Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const;
  // The value has been checked.
  virtual Tensor do_log_prob(const Tensor& value) const = 0;
  virtual Tensor do_cdf(const Tensor& value) const;
  virtual Tensor do_log_cdf(const Tensor& value) const;       ///< log of do_cdf, if not overridden
  virtual Tensor do_log_survival(const Tensor& value) const;  ///< log1p(-do_cdf)
  virtual Tensor do_icdf(const Tensor& probability) const;

  Shape batch_shape_;
  Shape event_shape_;

 private:
  void check_value(const Tensor& value) const;
  void check_shape(const char* argument, const Tensor& value) const;
  void check_within(const char* argument, const Tensor& value, const Constraint& support) const;

  // These ask their base without checking the value a second time.
  friend class Independent;
  friend class MixtureSameFamily;

  const char* name_;
  std::vector<Parameter> parameters_;
  bool validate_args_;
};

/// A distribution handed to one that is made of others (Independent, MixtureSameFamily): any
/// distribution by value, or what expand() returned.
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
