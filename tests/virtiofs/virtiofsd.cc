// SPDX-License-Identifier: GPL-2.0-or-later
#include "virtiofs/virtiofsd.h"

#include <poll.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

#include "base/waiting.h"

namespace stx {
namespace {

std::string Binary(DaemonKind kind) {
  return EnvOr(kind == DaemonKind::kC ? "VIRTIOFSD" : "VIRTIOFSD_RUST", "");
}

}  // namespace

std::optional<std::string> Virtiofsd::Missing(DaemonKind kind) {
  const std::string binary = Binary(kind);
  if (!binary.empty() && std::filesystem::exists(binary)) return std::nullopt;
  return kind == DaemonKind::kC ? "no virtiofsd: $VIRTIOFSD names none"
                                : "no Rust virtiofsd: scripts/step/virtiofsd could not make one";
}

Virtiofsd::Virtiofsd(DaemonKind kind, const std::filesystem::path& shared,
                     const std::filesystem::path& socket) {
  std::vector<std::string> argv;
  // As in kata/pod.cc: without root, a user namespace is enough.
  if (geteuid() != 0) argv = {"unshare", "--user", "--map-root-user"};
  argv.push_back(Binary(kind));
  SpawnOptions options;
  if (kind == DaemonKind::kRust) {
    listener_ = ListenUnix(socket);
    const std::string fd = std::to_string(options.Inherit(listener_.get()));
    argv.insert(argv.end(),
                {"--cache=auto", "--shared-dir=" + shared.string(), "--fd=" + fd,
                 "--thread-pool-size=1", "--announce-submounts", "--xattr", "--sandbox=chroot"});
    process_ = Process(argv, options);
    return;
  }
  argv.insert(argv.end(), {"--socket-path=" + socket.string(), "-o", "source=" + shared.string(),
                           "-o", "cache=auto,sandbox=chroot,xattr", "-f"});
  process_ = Process(argv, options);
  // The socket file exists before anything listens on it, or is left over from an earlier daemon.
  WaitUntil("virtiofsd listens", Deadline(Milliseconds(10000)), [&] {
    if (!process_.Running())
      throw std::runtime_error("virtiofsd did not start: " + process_.Stderr());
    return process_.Stderr().find("Waiting for vhost-user socket connection") != std::string::npos;
  });
}

}  // namespace stx
