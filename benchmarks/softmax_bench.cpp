// SPDX-License-Identifier: Apache-2.0
// log_sum_exp, log_softmax and softmax, against libtorch and oneDNN, and log_sum_exp against a bare
// maximum: ./dev bench softmax
//
// All write to memory allocated beforehand. Rows are standard normal logits times 3.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>

#include "compare.hpp"
#include "partita/learn/rows.hpp"
#include "partita/softmax/softmax.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

/// oneDNN's softmax or log-softmax over the last dimension.
class OneDnn {
 public:
  OneDnn(const at::Tensor& in, const at::Tensor& out, dnnl::algorithm algorithm)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const auto type = in.scalar_type() == at::kFloat ? dnnl::memory::data_type::f32
                                                     : dnnl::memory::data_type::bf16;
    const dnnl::memory::desc shape({in.size(0), in.size(1)}, type, dnnl::memory::format_tag::ab);
    source_ = dnnl::memory(shape, engine_, in.data_ptr());
    target_ = dnnl::memory(shape, engine_, out.data_ptr());
    const dnnl::softmax_v2_forward::desc desc(dnnl::prop_kind::forward_inference, algorithm, shape,
                                              shape, 1);
    primitive_ = dnnl::softmax_v2_forward(dnnl::softmax_v2_forward::primitive_desc(desc, engine_));
  }
  void operator()() {
    primitive_.execute(stream_, {{DNNL_ARG_SRC, source_}, {DNNL_ARG_DST, target_}});
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::memory source_;
  dnnl::memory target_;
  dnnl::softmax_v2_forward primitive_;
};

void bench(std::int64_t n, std::int64_t v, int threads, at::ScalarType type) {
  at::set_num_threads(threads);
  omp_set_num_threads(threads);
  const at::Tensor z = (at::randn({n, v}) * 3).to(type);
  at::Tensor out = at::empty_like(z);
  at::Tensor per_row = at::empty({n}, z.options());
  const RowOptions options{.threads = threads};
  const auto print = [&](const char* what, const Comparison& c) {
    std::vector<std::string> cells = {
        what,
        fmt::format("{:L}", v),
        std::to_string(n),
        std::to_string(threads),
        type == at::kFloat ? "f32" : "bf16",
        fmt::format("{:.3f}", c.seconds * 1e9 / static_cast<double>(n * v))};
    for (const double ratio : c.ratios) cells.push_back(times(ratio));
    print_row(cells);
  };
  print("log_sum_exp", compare({[&] { log_sum_exp(rows_of(z), options); },
                                [&] { at::logsumexp_out(per_row, z, {1}); },
                                {},
                                [&] { at::amax_out(per_row, z, {1}); }}));
  OneDnn log_softmax_dnn(z, out, dnnl::algorithm::softmax_log);
  print("log_softmax", compare({[&] { log_softmax(rows_of(z), mutable_rows_of(out), options); },
                                [&] { at::_log_softmax_out(out, z, 1, false); },
                                [&] { log_softmax_dnn(); },
                                {}}));
  OneDnn softmax_dnn(z, out, dnnl::algorithm::softmax_accurate);
  print("softmax", compare({[&] { softmax(rows_of(z), mutable_rows_of(out), options); },
                            [&] { at::_softmax_out(out, z, 1, false); },
                            [&] { softmax_dnn(); },
                            {}}));
}

}  // namespace

int main() {
  const at::NoGradGuard no_grad;
  print_header({"function", "V", "rows", "threads", "format", "partita, ns per logit", "libtorch",
                "oneDNN", "bare max (libtorch)"});
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const int threads : {1, 2}) {
      for (const std::int64_t rows : {64, 1}) {
        for (const std::int64_t v : {1000, 32000, 50257, 151936, 1000000})
          bench(rows, v, threads, type);
      }
    }
  }
}
