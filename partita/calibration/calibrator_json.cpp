// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "partita/base/error.hpp"
#include "partita/calibration/calibrator.hpp"

namespace partita {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "partita-calibrator";
constexpr int kVersion = 1;

void put(Json& json, const TemperatureScaling& scaling) {
  json["temperature"] = scaling.temperature;
}
/// Vector, matrix and Dirichlet.
template <class Linear>
requires requires(Linear linear) { linear.weights; }
void put(Json& json, const Linear& linear) {
  json["weights"] = linear.weights;
  json["bias"] = linear.bias;
}
void put(Json& json, const PlattScaling& scaling) {
  json["slope"] = scaling.slope;
  json["intercept"] = scaling.intercept;
}
void put(Json& json, const BetaCalibration& calibration) {
  json["a"] = calibration.a;
  json["b"] = calibration.b;
  json["c"] = calibration.c;
}
void put(Json& json, const IsotonicCalibration& calibration) {
  for (const IsotonicCurve& curve : calibration.curves) {
    json["curves"].push_back({{"x", curve.x}, {"y", curve.y}});
  }
}
void put(Json& json, const HistogramBinning& binning) {
  for (const BinnedCurve& curve : binning.curves) {
    json["curves"].push_back({{"upper", curve.bins.upper}, {"values", curve.values}});
  }
}

void put(Json& json, const BinnedTemperature& scaling) {
  json["by"] = scaling.of_entropy ? "entropy" : "number";
  json["upper"] = scaling.upper;
  json["temperatures"] = scaling.temperatures;
}

/// Reads what is expected, or says what is wrong.
class Reader {
 public:
  Reader(std::string_view name, const Json& json) : name_(name), json_(json) {}

  [[noreturn]] void fail(std::string_view why) const {
    throw DataError(name_, fmt::format("not a calibrator: {}", why));
  }
  double number(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_number())
      fail(fmt::format("{}: expected a number", key));
    return found->get<double>();
  }
  std::string text(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_string())
      fail(fmt::format("{}: expected a string", key));
    return found->get<std::string>();
  }
  std::vector<double> numbers(const char* key, std::size_t count) const {
    const auto found = json_.find(key);
    const bool right =
        found != json_.end() && found->is_array() &&
        (count == 0 ? !found->empty() : found->size() == count) &&
        std::all_of(found->begin(), found->end(), [](const Json& n) { return n.is_number(); });
    if (!right) {
      fail(
          fmt::format("{}: expected {} numbers", key, count == 0 ? "some" : fmt::to_string(count)));
    }
    return found->get<std::vector<double>>();
  }
  /// Calls read(reader) for each curve: as many as classes, or one for two.
  template <class Read>
  auto curves(std::size_t classes, const Read& read) const {
    const std::size_t count = classes == 2 ? 1 : classes;
    const auto found = json_.find("curves");
    if (found == json_.end() || !found->is_array() || found->size() != count) {
      fail(fmt::format("curves: expected {}", count));
    }
    std::vector<decltype(read(*this))> out;
    for (const Json& curve : *found) out.push_back(read(Reader(name_, curve)));
    return out;
  }

 private:
  std::string_view name_;
  const Json& json_;
};

Calibrator::Parameters parameters_from(const Reader& read, std::size_t classes) {
  const auto is = [&, method = read.text("method")](CalibrationMethod m) {
    return method == name_of(m);
  };
  if (is(CalibrationMethod::temperature)) {
    const double temperature = read.number("temperature");
    if (!(temperature > 0)) read.fail("temperature: expected more than 0");
    return TemperatureScaling{temperature};
  }
  if (is(CalibrationMethod::vector)) {
    return VectorScaling{read.numbers("weights", classes), read.numbers("bias", classes)};
  }
  if (is(CalibrationMethod::matrix)) {
    return MatrixScaling{read.numbers("weights", classes * classes), read.numbers("bias", classes)};
  }
  if (is(CalibrationMethod::isotonic)) {
    return IsotonicCalibration{read.curves(classes, [](const Reader& curve) {
      IsotonicCurve out{curve.numbers("x", 0), {}};
      out.y = curve.numbers("y", out.x.size());
      if (!std::is_sorted(out.x.begin(), out.x.end())) curve.fail("x: expected to ascend");
      return out;
    })};
  }
  if (is(CalibrationMethod::histogram)) {
    return HistogramBinning{read.curves(classes, [](const Reader& curve) {
      BinnedCurve out{{curve.numbers("upper", 0)}, {}};
      out.values = curve.numbers("values", out.bins.size());
      if (!std::is_sorted(out.bins.upper.begin(), out.bins.upper.end())) {
        curve.fail("upper: expected to ascend");
      }
      return out;
    })};
  }
  if (is(CalibrationMethod::dirichlet)) {
    return DirichletCalibration{read.numbers("weights", classes * classes),
                                read.numbers("bias", classes)};
  }
  const bool two = is(CalibrationMethod::platt) || is(CalibrationMethod::beta);
  if (two && classes != 2) read.fail("classes: expected 2");
  if (is(CalibrationMethod::platt)) {
    return PlattScaling{read.number("slope"), read.number("intercept")};
  }
  if (is(CalibrationMethod::beta)) {
    return BetaCalibration{read.number("a"), read.number("b"), read.number("c")};
  }
  if (is(CalibrationMethod::binned_temperature)) {
    const std::string by = read.text("by");
    if (by != "entropy" && by != "number") read.fail("by: expected entropy or number");
    BinnedTemperature out{.of_entropy = by == "entropy",
                          .temperatures = read.numbers("temperatures", 0)};
    const std::size_t edges = out.temperatures.size() - 1;
    if (edges > 0) out.upper = read.numbers("upper", edges);
    if (!std::is_sorted(out.upper.begin(), out.upper.end())) read.fail("upper: expected to ascend");
    if (!std::all_of(out.temperatures.begin(), out.temperatures.end(),
                     [](double t) { return t > 0; })) {
      read.fail("temperatures: expected more than 0");
    }
    return out;
  }
  std::string names;
  for (const CalibrationMethod each : calibration_methods()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(each));
  }
  read.fail(fmt::format("method: expected {}", names));
}

}  // namespace

std::string Calibrator::to_json() const {
  Json json{{"format", kFormat},
            {"version", kVersion},
            {"method", name_of(method())},
            {"classes", classes_}};
  std::visit([&](const auto& parameters) { put(json, parameters); }, parameters_);
  return json.dump(1) + '\n';
}

Calibrator Calibrator::from_json(std::string_view text, std::string_view name) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) throw DataError(name, "not a calibrator: expected an object in JSON");
  const Reader read(name, json);
  if (read.text("format") != kFormat) read.fail("format: expected partita-calibrator");
  if (read.number("version") != kVersion) {
    read.fail(fmt::format("version {}, expected {}", read.number("version"), kVersion));
  }
  const double classes = read.number("classes");
  constexpr double kMostClasses = 1U << 24U;
  if (!(classes >= 2 && classes <= kMostClasses && classes == std::floor(classes))) {
    read.fail("classes: expected a whole number of 2 or more");
  }
  const auto count = static_cast<std::size_t>(classes);
  return {count, parameters_from(read, count)};
}

}  // namespace partita
