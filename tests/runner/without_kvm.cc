// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/without_kvm.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>

#include "base/os.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

void Mount(const char* source, const fs::path& target, const char* type, unsigned long flags) {
  if (mount(source, target.c_str(), type, flags, nullptr) < 0)
    ThrowErrno("mount " + target.string());
}

}  // namespace

void HideKvm() {
  if (unshare(CLONE_NEWNS) < 0) ThrowErrno("unshare");
  // /dev and not /: in a chroot, / is not a mount point, and mounts below a shared one are visible
  // to everyone.
  Mount(nullptr, "/dev", nullptr, MS_PRIVATE | MS_REC);
  const UniqueFd old(open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const fs::path before = "/proc/self/fd/" + std::to_string(old.get());
  Mount("none", "/dev", "tmpfs", 0);
  for (const fs::directory_entry& entry : fs::directory_iterator(before / ".")) {
    const fs::path copy = "/dev" / entry.path().filename();
    if (copy.filename() == "kvm") continue;
    if (entry.is_symlink()) {
      fs::copy_symlink(entry.path(), copy);
      continue;
    }
    if (entry.is_directory())
      fs::create_directory(copy);
    else
      UniqueFd(open(copy.c_str(), O_CREAT | O_CLOEXEC, 0600));
    Mount(entry.path().c_str(), copy, nullptr, MS_BIND | MS_REC);
  }
}

}  // namespace stx
