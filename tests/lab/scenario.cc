#include "lab/scenario.h"

namespace stx {

const std::vector<Scenario>& AllScenarios() {
  static const std::vector<Scenario> scenarios{
      {.name = "basic", .shows = "a pod has its own kernel", .cases = "Basic.*", .quick = true},
      {.name = "migrate",
       .shows = "a working guest moves ten times each way, none lost",
       .cases = "MigrateUnderLoad.*",
       .pair = true},
  };
  return scenarios;
}

}  // namespace stx
