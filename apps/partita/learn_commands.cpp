// What `partita-learn` can do.
#include "commands.hpp"

namespace partita::app {

void add_commands(CLI::App& app) {
  add_lm(app);
  add_generate(app);
  add_gradients(app);
  add_nce(app);
  add_openset(app);
  add_seqgan(app);
  add_vae(app);
  add_tour(app);
}

}  // namespace partita::app
