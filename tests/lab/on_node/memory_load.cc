// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/memory_load.h"

#include <stdexcept>

namespace stx {
namespace {

std::string Said(GuestAgent& agent, const std::string& script) {
  return agent.MustExec({"sh", "-ec", script}, Milliseconds(60000)).out;
}

}  // namespace

MemoryLoad::MemoryLoad(GuestAgent& agent, unsigned mib) {
  // Copies one file over another, so the content of the target is always known. It is not zeros,
  // which would migrate without cost.
  Said(agent, "dd if=/dev/urandom of=/tmp/from bs=1M count=" + std::to_string(mib) +
                  "; cp /tmp/from /tmp/to");
  sum_ = Said(agent, "sha256sum </tmp/from");
  Said(agent,
       "(n=0; while [ ! -e /tmp/stop ]; do dd if=/tmp/from of=/tmp/to bs=64k conv=notrunc; n=$((n "
       "+ 1)); "
       "echo $n >/tmp/n.new; mv /tmp/n.new /tmp/n; done; rm -f /tmp/stop /tmp/n) </dev/null "
       ">/dev/null 2>&1 &");
}

long MemoryLoad::Rounds(GuestAgent& agent) {
  return std::stol("0" + Said(agent, "cat /tmp/n 2>/dev/null || true"));
}

void MemoryLoad::StopAndCheck(GuestAgent& agent) {
  Said(agent, "touch /tmp/stop; while [ -e /tmp/stop ]; do sleep 0.1; done");
  for (const char* file : {"from", "to"})
    if (Said(agent, std::string("sha256sum </tmp/") + file) != sum_)
      throw std::runtime_error(std::string("the bytes of /tmp/") + file +
                               " in the guest have changed");
}

}  // namespace stx
