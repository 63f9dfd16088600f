#include "partita/search/beam.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/search/internal/beam_steps.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

/// beam[source] followed by `token`; or beam[source] itself, a leaf.
struct Candidate {
  double log_prob;
  std::size_t source;
  Token token;
};

/// The better one first.
bool better(const Candidate& a, const Candidate& b) {
  if (a.log_prob != b.log_prob) return a.log_prob > b.log_prob;
  return a.source != b.source ? a.source < b.source : a.token < b.token;
}

/// The k best of all that are offered.
class Best {
 public:
  explicit Best(std::size_t k) : k_(k) {}

  void offer(const Candidate& candidate) {
    if (heap_.size() < k_) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end(), better);
    } else if (better(candidate, heap_.front())) {  // the heap's front is the worst that is kept
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = candidate;
      std::push_heap(heap_.begin(), heap_.end(), better);
    }
  }
  std::vector<Candidate> sorted() && {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    return std::move(heap_);
  }

 private:
  std::size_t k_;
  std::vector<Candidate> heap_;
};

template <class T>
void offer_children(std::span<const T> logits, const Normalizer& normalizer, double log_prob,
                    std::size_t source, Best& best) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == -std::numeric_limits<T>::infinity()) continue;
    best.offer({log_prob + normalizer.log_prob(static_cast<double>(logits[i])), source,
                static_cast<Token>(i)});
  }
}

void step(std::vector<Prefix>& beam, Rows logits, std::size_t k, Token end_token,
          std::size_t longest) {
  Best best(k);
  for (std::size_t source = 0; source < beam.size(); ++source) {
    const Prefix& prefix = beam[source];
    if (prefix.leaf) {
      best.offer({prefix.log_prob, source, -1});
      continue;
    }
    const Normalizer normalizer = normalizers(logits.slice(prefix.row, 1)).front();
    const std::size_t n = logits.columns();
    if (logits.dtype() == DType::f32) {
      offer_children(std::span(logits.row_data<float>(prefix.row), n), normalizer, prefix.log_prob,
                     source, best);
    } else {
      offer_children(std::span(logits.row_data<double>(prefix.row), n), normalizer, prefix.log_prob,
                     source, best);
    }
  }
  std::vector<Prefix> kept;
  for (const Candidate& candidate : std::move(best).sorted()) {
    Prefix& source = beam[candidate.source];
    kept.push_back(source.leaf
                       ? std::move(source)
                       : extend(source, candidate.token, candidate.log_prob, end_token, longest));
  }
  beam = std::move(kept);
}

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(const SequenceModel& model, Prompts prompts,
                                                 std::size_t k, const SearchOptions& options) {
  check_search(model, options);
  check_at_least("k", k, 1);
  for (const Sequence& prompt : prompts) check_prompt(model, prompt);
  std::vector<std::vector<Hypothesis>> out(prompts.size());
  for_each_batch(model, options, prompts.size(), k, [&](std::size_t first, std::size_t last) {
    std::vector<std::vector<Prefix>> beams;
    for (std::size_t i = first; i < last; ++i) beams.push_back({Prefix{.tokens = prompts[i]}});
    run_beams(model, options, beams,
              [&](std::size_t search, std::vector<Prefix>& beam, Rows logits) {
                const std::size_t longest = longest_with(prompts[first + search].size(), options);
                step(beam, logits, k, model.end_token(), longest);
              });
    for (std::size_t i = first; i < last; ++i) {
      for (Prefix& leaf : beams[i - first]) {
        strip_prompt(leaf.tokens, prompts[i].size());
        out[i].push_back({std::move(leaf.tokens), leaf.finished, leaf.log_prob});
      }
    }
  });
  return out;
}

std::vector<Hypothesis> beam_search(const SequenceModel& model, const Sequence& prompt,
                                    std::size_t k, const SearchOptions& options) {
  return std::move(beam_search(model, std::span(&prompt, 1), k, options).front());
}

}  // namespace partita
