// partita embed: word vectors.
#include "apps/command/light/embed.hpp"

#include "apps/command/subcommands.hpp"

namespace partita::app {

void add_embed(CLI::App& app) {
  auto* command = app.add_subcommand("embed", "Train and inspect word vectors");
  command->require_subcommand(1);
  add_embed_train(*command);
  add_embed_eval(*command);
  add_embed_nearest(*command);
  add_embed_map(*command);
}

}  // namespace partita::app
