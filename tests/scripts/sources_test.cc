// SPDX-License-Identifier: GPL-2.0-or-later
// Properties of every source file of the repository.
#include <gtest/gtest.h>

#include "base/os.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

bool IsSource(const fs::path& path, const std::string& text) {
  const std::string extension = path.extension();
  return extension == ".cc" || extension == ".h" || extension == ".c" || extension == ".S" ||
         extension == ".inc" || path.filename() == "meson.build" || text.starts_with("#!");
}

TEST(Sources, HaveAnSpdxLine) {
  const fs::path root = EnvOr("REPOSITORY", ".");
  size_t seen = 0;
  for (const char* folder : {"scripts", "tests"})
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string text = ReadFile(entry.path());
      if (!IsSource(entry.path(), text)) continue;
      ++seen;
      // The first line, or the second if the first starts with #!.
      const size_t start = text.starts_with("#!") ? text.find('\n') + 1 : 0;
      const std::string line = text.substr(start, text.find('\n', start) - start);
      EXPECT_TRUE(line.ends_with("SPDX-License-Identifier: GPL-2.0-or-later") ||
                  line == "/* SPDX-License-Identifier: GPL-2.0-or-later */")
          << entry.path();
    }
  EXPECT_GT(seen, 300u);
}

}  // namespace
}  // namespace stx
