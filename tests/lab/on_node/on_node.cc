#include "lab/on_node/on_node.h"

#include <cstdio>
#include <stdexcept>

#include "harness/process.h"

namespace stx {

void Fact(const std::string& text) {
  std::printf("fact: %s\n", text.c_str());
  std::fflush(stdout);
}

PodSettings NodePod() {
  PodSettings pod;
  pod.vmlinux = true;
  pod.console_log = "/var/log/pod-console";
  pod.memory_mib = 256;  // the least that Kata takes: a node is small
  pod.qemu = QemuBinary();
  pod.guest = EnvOr("GUEST", "");
  pod.virtiofsd = EnvOr("VIRTIOFSD", "");
  return pod;
}

std::string Shell(const std::string& script, Milliseconds timeout) {
  const RunResult result = Run({"/bin/sh", "-ec", script}, timeout);
  if (!result.status.Success())
    throw std::runtime_error(script + ": " + result.status.ToString() + "\n" + result.out +
                             result.err);
  return result.out;
}

std::string Text(Milliseconds time) {
  char text[32];
  if (time.count() < 1000)
    std::snprintf(text, sizeof(text), "%ld ms", static_cast<long>(time.count()));
  else
    std::snprintf(text, sizeof(text), "%.1f s", static_cast<double>(time.count()) / 1000);
  return text;
}

}  // namespace stx
