// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/vae_summary.hpp"

#include <fmt/format.h>

#include <utility>

#include "apps/data/image_sets.hpp"
#include "apps/report/numbers.hpp"

namespace partita::app {

Json summary_json(const VaeResult& result, const VaeTrainOptions& options,
                  const std::string& report) {
  Json variants = Json::array();
  for (const VaeVariant& v : result.variants) {
    variants.push_back({{"name", v.name},
                        {"steps", v.steps},
                        {"seconds", v.seconds},
                        {"train_loss", v.train_loss},
                        {"elbo", v.elbo},
                        {"elbo_error", v.elbo_error},
                        {"reconstruction", v.reconstruction},
                        {"kl", v.kl},
                        {"spread", v.spread}});
  }
  return {{"data", images_name(options.directory)},
          {"fonts", options.directory.empty() ? Json(kFonts) : Json()},
          {"train_images", result.train_images},
          {"test_images", result.test_images},
          {"latent", name_of(kVaeLatents, options.latent)},
          {"latent_dim", result.latent_dim},
          {"decoder", name_of(kVaeDecoders, options.decoder)},
          {"objective", name_of(kVaeObjectives, options.objective)},
          {"estimator", result.estimator},
          {"samples", result.samples},
          {"epochs", result.epochs},
          {"variants", std::move(variants)},
          {"model", options.output},
          {"report", report},
          {"seed", options.seed}};
}

std::string summary_text(const VaeResult& result, const VaeTrainOptions& options) {
  std::string out = images_text(options.directory) + "\n";
  for (const VaeVariant& v : result.variants) {
    out += fmt::format(
        "{}: {} in {:.1f} s\n"
        "  test images, nats each: ELBO {}, reconstruction {:.2f}, KL {:.2f}; spread of z {:.2f}\n",
        v.name, counted(v.steps, "step"), v.seconds, with_error(v.elbo, v.elbo_error),
        v.reconstruction, v.kl, v.spread);
  }
  return out;
}

}  // namespace partita::app
