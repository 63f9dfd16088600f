// SPDX-License-Identifier: Apache-2.0
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>

#include "partita/base/error.hpp"

namespace partita::app {
namespace {

constexpr double kBetweenUpdates = 0.1;  // seconds

std::string rate(std::uint64_t done, double seconds) {
  return rounded_rate(static_cast<double>(done) / seconds) + "/s";
}

std::FILE*& printed_to() {
  static std::FILE* file = stdout;
  return file;
}

bool& is_silent() {
  static bool silent = false;
  return silent;
}

std::string& remembered_command_line() {
  static std::string line;
  return line;
}

struct Checkpoint {
  std::string path;
  std::string advice;
};

std::vector<Checkpoint>& remembered_checkpoints() {
  static auto* const kCheckpoints = new std::vector<Checkpoint>;  // also for a signal at the end
  return *kCheckpoints;
}

/// A word that a shell reads back as it is.
std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_./:,=+@%").find(c) != std::string_view::npos;
  });
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

std::string command_line() { return remembered_command_line(); }

void set_command_line(const std::vector<std::string>& arguments) {
  std::string& line = remembered_command_line();
  line = "partita";
  for (const std::string& argument : arguments) line += " " + quoted(argument);
}

void remember_checkpoints(const std::vector<std::string>& paths, const std::string& what) {
  std::vector<Checkpoint>& all = remembered_checkpoints();
  all.clear();
  for (const std::string& path : paths) {
    all.push_back({path, fmt::format("; {} goes on from {}", what, path)});
  }
}

const char* how_to_go_on() noexcept {
  for (const Checkpoint& each : remembered_checkpoints()) {
    if (::access(each.path.c_str(), R_OK) == 0) return each.advice.c_str();
  }
  return "";
}

void print_to_standard_error() { printed_to() = stderr; }

void be_silent() { is_silent() = true; }

void print(std::string_view text) {
  if (is_silent()) return;
  std::FILE* const file = printed_to();
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (!written || std::fflush(file) != 0) {
    throw IoError(file == stdout ? "standard output" : "standard error",
                  fmt::format("cannot write: {}", std::generic_category().message(errno)));
  }
}

void print_json(const Json& json) {
  // A model's tokens may be parts of a character.
  print(json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
}

void note(std::string_view line) {
  if (!is_silent()) fmt::print(stderr, "{}\n", line);
}

Meter::Meter(std::string_view what)
    : what_(what),
      moving_(!is_silent() && ::isatty(STDERR_FILENO) != 0),
      exceptions_(std::uncaught_exceptions()),
      start_(std::chrono::steady_clock::now()) {}

Meter::~Meter() {
  clear();
  if (std::uncaught_exceptions() > exceptions_ || done_ == 0 || last_ < 1) return;
  note(fmt::format("{}: {} {} in {:.1f} s ({})", what_, grouped(done_), unit_, last_,
                   rate(done_, last_)));
}

void Meter::update(const ProgressUpdate& update) {
  done_ = update.done;
  unit_ = update.unit;
  const double now = last_ = seconds();
  if (!moving_ || now - shown_ < kBetweenUpdates || now <= 0) return;
  shown_ = now;
  std::string line = fmt::format("{}: {}", what_, grouped(update.done));
  if (update.total > 0) line += " of " + grouped(update.total);
  line += fmt::format(" {}, {}", update.unit, rate(update.done, now));
  if (update.total > update.done && update.done > 0) {
    const double left =
        now * static_cast<double>(update.total - update.done) / static_cast<double>(update.done);
    line += fmt::format(", {:.0f} s left", left);
  }
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
}

double Meter::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Meter::clear() const {
  if (moving_ && shown_ >= 0) fmt::print(stderr, "\r\x1b[K");
}

std::function<Progress(std::string_view phase)> meters() {
  return [now = std::make_shared<std::optional<Meter>>()](std::string_view phase) {
    now->emplace(phase);
    return (*now)->progress();
  };
}

}  // namespace partita::app
