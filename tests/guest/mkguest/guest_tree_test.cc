// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/guest_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <memory>

#include "base/os.h"
#include "base/process.h"

namespace stx {
namespace {

struct Archived {
  std::vector<std::string> order;
  std::map<std::string, std::string> content;  // a link's target
  std::map<std::string, unsigned> mode;
};

Archived ReadCpio(const std::string& bytes) {
  Archived found;
  std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_read_support_format_cpio(reader.get());
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    throw std::runtime_error(archive_error_string(reader.get()));
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    std::string name = archive_entry_pathname(entry);
    found.order.push_back(name);
    found.mode[name] = archive_entry_mode(entry);
    std::string text(static_cast<size_t>(archive_entry_size(entry)), '\0');
    archive_read_data(reader.get(), text.data(), text.size());
    const char* target = archive_entry_symlink(entry);
    found.content[name] = target ? target : text;
  }
  return found;
}

const std::string kGuestd = EnvOr("GUESTD", "");

TEST(GuestTree, InitramfsListsItsModulesInLoadingOrder) {
  TempDir dir;
  WriteFile(dir / "b.ko", "bytes of b");
  WriteFile(dir / "a.ko", "bytes of a");
  auto tree = MakeGuestTree(kGuestd, "", "the id");
  AddStageOne({{"b", dir / "b.ko"}, {"a", dir / "a.ko"}}, &tree);
  Archived archived = ReadCpio(MakeCpio(tree));
  EXPECT_EQ(archived.content["modules/list"], "b\na\n");
  EXPECT_EQ(archived.content["modules/a.ko"], "bytes of a");
  EXPECT_EQ(archived.content["modules/b.ko"], "bytes of b");
  EXPECT_EQ(archived.content["guest-id"], "the id\n");
  EXPECT_EQ(archived.content["init"], "sbin/init");
  EXPECT_EQ(archived.content["sbin/init"], ReadFile(kGuestd));
  EXPECT_EQ(archived.mode["sbin/init"], S_IFREG | 0755u);
}

TEST(GuestTree, FoldersComeBeforeWhatIsInThem) {
  auto tree = MakeGuestTree(kGuestd, kGuestd, "x");
  AddStageOne({}, &tree);
  std::map<std::string, unsigned> seen;
  for (const std::string& path : ReadCpio(MakeCpio(tree)).order) {
    size_t slash = path.rfind('/');
    if (slash != std::string::npos) {
      EXPECT_TRUE(seen.contains(path.substr(0, slash))) << path;
    }
    EXPECT_EQ(seen[path]++, 0u) << path << " twice";
  }
  for (const char* mount_point : {"proc", "sys", "dev", "run", "tmp", "share", "root"})
    EXPECT_TRUE(seen.contains(mount_point)) << mount_point;
}

TEST(GuestTree, SameTreeMakesTheSameArchive) {
  EXPECT_EQ(MakeCpio(MakeGuestTree(kGuestd, "", "x")), MakeCpio(MakeGuestTree(kGuestd, "", "x")));
}

TEST(GuestTree, DynamicProgramIsRefused) {
  try {
    MakeGuestTree("/proc/self/exe", "", "x");
    FAIL() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("not linked statically"), std::string::npos);
  }
  TempDir dir;
  WriteFile(dir / "script", "#!/bin/sh\n");
  EXPECT_THROW(MakeGuestTree(kGuestd, dir / "script", "x"), std::runtime_error);
}

}  // namespace
}  // namespace stx
