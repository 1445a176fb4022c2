// SPDX-License-Identifier: GPL-2.0-or-later
#include "folders.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

namespace restack {

namespace fs = std::filesystem;

bool ExchangeFolders(const std::string& a, const std::string& b) {
  return syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(),
                 2u /* RENAME_EXCHANGE */) == 0;
}

Result<void> FillFolder(const std::string& folder,
                        const std::function<Result<void>(const std::string&)>& fill) {
  std::error_code error;
  std::string partial = folder + ".new";
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return Error{partial + ": cannot be made: " + error.message()};
  if (Result<void> done = fill(partial); !done) {
    fs::remove_all(partial, error);
    return done;
  }
  if (fs::exists(folder, error)) {
    if (!ExchangeFolders(partial, folder)) return Error{folder + ": cannot be replaced"};
    fs::remove_all(partial, error);
    return {};
  }
  fs::rename(partial, folder, error);
  if (error) return Error{folder + ": cannot be made: " + error.message()};
  return {};
}

Result<void> CopyFolder(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error) return Error{from + ": cannot be copied: " + error.message()};
  return {};
}

}  // namespace restack
