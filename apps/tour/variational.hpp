// The calculus of variations behind noise-contrastive estimation: two problems, discretized and
// solved numerically.
#pragma once

#include <vector>

#include "partita/random/stream.hpp"

namespace partita::app {

/// D6: the functional whose maximum NCE finds, J(G) = sum over a grid of p log(1 / (1 + G)) +
/// nu q log(G / (1 + G)), maximized over every value of G, and its closed-form maximizer, nu q / p.
struct BestRatio {
  std::vector<double> x = {};
  std::vector<double> start = {};
  std::vector<double> found = {};
  std::vector<double> closed_form = {};
  double largest_error = 0;  ///< relative
};

BestRatio find_best_ratio(const Stream& stream);

/// D7: heights of a path over a grid, whose length was minimized.
struct ShortestPath {
  std::vector<double> x = {};
  std::vector<double> start = {};
  std::vector<double> found = {};
  double length = 0;
  double straight_length = 0;
  double largest_error = 0;  ///< distance of a height from the straight line
};

ShortestPath find_shortest_path(const Stream& stream);

}  // namespace partita::app
