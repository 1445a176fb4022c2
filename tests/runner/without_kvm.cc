#include "runner/without_kvm.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>

#include "harness/os.h"

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
  // A chroot's root is no mount point; all that matters is that nothing of this leaves through
  // /dev.
  const fs::path made = fs::temp_directory_path() / "dev-without-kvm";
  fs::create_directories(made);
  Mount("none", made, "tmpfs", 0);
  Mount(nullptr, made, nullptr, MS_PRIVATE);
  for (const fs::directory_entry& entry : fs::directory_iterator("/dev")) {
    const fs::path copy = made / entry.path().filename();
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
  Mount(made.c_str(), "/dev", nullptr, MS_MOVE);
}

}  // namespace stx
