// SPDX-License-Identifier: Apache-2.0
// The argument `group` of functions whose rows or columns lie on several processes.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "partita/base/group.hpp"

namespace partita::python {

/// An object with rank, size and all_gather(), of which all else is made.
class PythonGroup final : public Group {
 public:
  explicit PythonGroup(py::handle group)
      : group_(py::reinterpret_borrow<py::object>(group)),
        size_(static_cast<int>(natural(group.attr("size"), "group.size", 0x7FFFFFFF))),
        rank_(static_cast<int>(natural(group.attr("rank"), "group.rank", 0x7FFFFFFF))) {
    if (rank_ >= size_) refuse("group", "expected rank < size");
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::vector<double> all_gather(std::span<const double> own) override {
    const py::gil_scoped_acquire acquire;
    std::vector<double> given(own.begin(), own.end());
    const Shape shape = {static_cast<py::ssize_t>(own.size())};
    Doubles all(group_.attr("all_gather")(to_numpy(std::move(given), shape)), "group.all_gather");
    const Shape expected = {static_cast<py::ssize_t>(size_), shape[0]};
    if (all.shape != expected) {
      refuse("group.all_gather",
             "expected an array of shape " + to_string(expected) + ", got " + to_string(all.shape));
    }
    return std::move(all.values);
  }
  void all_reduce(std::span<double> values, Reduction reduction) override {
    const std::vector<double> all = all_gather(values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = all[i];
      for (std::size_t at = i + values.size(); at < all.size(); at += values.size()) {
        values[i] =
            reduction == Reduction::sum ? values[i] + all[at] : std::max(values[i], all[at]);
      }
    }
  }
  void broadcast(std::span<double> values, int root) override {
    const std::vector<double> all = all_gather(values);
    std::copy_n(&all[static_cast<std::size_t>(root) * values.size()], values.size(),
                values.begin());
  }
  void barrier() override { all_gather({}); }

 private:
  py::object group_;
  int size_;
  int rank_;
};

/// A group of Python, or None: this process alone.
class OwnedGroup {
 public:
  explicit OwnedGroup(py::handle group)
      : python_(group.is_none() ? nullptr : std::make_unique<PythonGroup>(group)) {}

  Group& get() const { return python_ ? static_cast<Group&>(*python_) : Group::alone(); }

 private:
  std::unique_ptr<PythonGroup> python_;
};

}  // namespace partita::python
