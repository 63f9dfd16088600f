// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/share.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {

namespace {

Share share_of(std::int64_t rank, std::int64_t total, const Group& group) {
  const auto begin = [&](std::int64_t of) { return total * of / group.size(); };
  return {begin(rank), begin(rank + 1) - begin(rank), total};
}

}  // namespace

Share Share::of(std::int64_t total, const Group& group) {
  check_at_least("batch", total, group.size(), "one row for each process");
  return share_of(group.rank(), total, group);
}

Tensor Share::of(const Tensor& x, std::int64_t dim) const {
  if (x.size(dim) != total) {
    throw InvalidArgument("x", fmt::format("expected {} rows in dimension {}, got {}", total, dim,
                                           to_string(x.sizes())));
  }
  return is_whole() ? x : x.narrow(dim, first, size);
}

Tensor all_rows(const Tensor& own, const Share& share, Group& group) {
  if (share.is_whole()) return own;
  // Messages are of one length: some ranks have a row less.
  const std::int64_t most = (share.total + group.size() - 1) / group.size();
  const std::int64_t columns = own.numel() / std::max<std::int64_t>(1, own.size(0));
  const Tensor message = at::zeros({most, columns}, at::kDouble);
  message.narrow(0, 0, share.size).copy_(own.detach().reshape({share.size, columns}));
  std::vector<double> got =
      group.all_gather({message.data_ptr<double>(), static_cast<std::size_t>(message.numel())});
  const Tensor all = at::from_blob(got.data(), {group.size(), most, columns}, at::kDouble);
  std::vector<Tensor> rows;
  for (std::int64_t rank = 0; rank < group.size(); ++rank) {
    rows.push_back(all[rank].narrow(0, 0, share_of(rank, share.total, group).size));
  }
  Shape shape = own.sizes().vec();
  shape[0] = share.total;
  return at::cat(rows).reshape(shape).to(own.options());
}

}  // namespace partita
