// kl_divergence from distributions on the real line and on the circle.
#include "partita/learn/distributions/kl_pairs.hpp"
#include "partita/learn/distributions/normal.hpp"

namespace partita::distributions::internal {

std::vector<KlPair> real_kl_pairs() {
  return {
      kl_pair<Normal, Normal>([](const Normal& p, const Normal& q) {
        return normal_kl(p.loc(), p.scale(), q.loc(), q.scale());
      }),
  };
}

}  // namespace partita::distributions::internal
