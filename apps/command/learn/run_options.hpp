// How a training run is kept, as asked for by --device, --checkpoint, --checkpoint-seconds and
// --log.
#pragma once

#include <string>

namespace partita::app {

struct RunOptions {
  std::string device = "cpu";
  std::string checkpoint;
  double checkpoint_seconds = 30;
  std::string log;
};

}  // namespace partita::app
