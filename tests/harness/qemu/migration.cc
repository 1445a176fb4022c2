// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/migration.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <stdexcept>

#include "base/waiting.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{20000};

}  // namespace

void SetMigrationCapability(Qmp& qmp, const std::string& name, bool on) {
  json capability{{"capability", name}, {"state", on}};
  qmp.Execute("migrate-set-capabilities", {{"capabilities", json::array({capability})}});
}

json WaitMigrationEnd(Qmp& qmp, Milliseconds timeout) {
  json info;
  const bool ended = HoldsBefore(Deadline(timeout), [&] {
    info = qmp.Execute("query-migrate");
    const std::string status = info.value("status", "none");
    return status == "completed" || status == "failed" || status == "cancelled";
  });
  if (!ended) throw std::runtime_error("the migration does not end: " + info.dump());
  return info;
}

std::string MigrateToBytes(Qemu& source) {
  TempDir dir("migrate");
  UniqueFd listener = ListenUnix(dir / "sock");
  source.qmp().Execute("migrate", {{"uri", "unix:" + (dir / "sock").string()}});
  Deadline deadline(kTimeout);
  UniqueFd fd = Accept(listener.get(), deadline);
  std::string stream;
  char chunk[65536];
  for (;;) {
    if (!WaitFor(fd.get(), POLLIN, deadline))
      throw std::runtime_error("the migration stream does not end");
    ssize_t n = read(fd.get(), chunk, sizeof(chunk));
    if (n < 0) ThrowErrno("read of the migration stream");
    if (n == 0) break;
    stream.append(chunk, static_cast<size_t>(n));
  }
  json info = WaitMigrationEnd(source.qmp());
  if (info["status"] != "completed") throw std::runtime_error("migration: " + info.dump());
  return stream;
}

json MigrateToNobody(Qmp& source) {
  TempDir dir("migrate");
  const UniqueFd listener = ListenUnix(dir / "sock");
  source.Execute("migrate", {{"uri", "unix:" + (dir / "sock").string()}});
  return WaitMigrationEnd(source, Milliseconds(30000));
}

IncomingStream::IncomingStream(Qemu& target) : target_(target) {
  target.qmp().Execute("migrate-incoming", {{"uri", "unix:" + (dir_ / "sock").string()}});
  fd_ = ConnectUnix(dir_ / "sock", Deadline(kTimeout));
}

void IncomingStream::Send(std::string_view bytes) {
  WriteAll(fd_.get(), bytes);
  WaitUntil("the target reads its stream", Deadline(kTimeout), [&] {
    int unread = 0;
    if (ioctl(fd_.get(), SIOCOUTQ, &unread) < 0) ThrowErrno("SIOCOUTQ");
    return unread == 0 || !target_.process().Running();
  });
  // The main loop answers only between two steps of loading.
  if (target_.process().Running()) target_.qmp().Execute("query-status");
}

void IncomingStream::Finish(std::string_view bytes) {
  WriteAll(fd_.get(), bytes);
  fd_.Reset();
}

}  // namespace stx
