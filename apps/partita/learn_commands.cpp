// What `partita-learn` can do.
#include "commands.hpp"

namespace partita::app {

void add_commands(CLI::App& app, char** /*argv*/) {
  add_gradients(app);
  add_nce(app);
}

}  // namespace partita::app
