// SPDX-License-Identifier: GPL-2.0-or-later
// containerd reads our handler as it is meant, in each version of its configuration that it takes.
// $CONTAINERD is the containerd of the lab's node (1.6); $CONTAINERDS may name more, with colons
// between them.
#include <gtest/gtest.h>

#include <toml++/toml.h>

#include <sstream>

#include "base/process.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> Containerds() {
  std::vector<fs::path> programs;
  std::istringstream named(EnvOr("CONTAINERD", "") + ":" + EnvOr("CONTAINERDS", ""));
  for (std::string program; std::getline(named, program, ':');)
    if (!program.empty() && fs::exists(program)) programs.push_back(program);
  return programs;
}

/// The major version, of a text such as "containerd github.com/containerd/containerd/v2 v2.2.9
/// ...".
int Major(const fs::path& containerd) {
  const std::string text = stx::Run({containerd.string(), "--version"}, Milliseconds(20000)).out;
  std::istringstream words(text);
  std::string word;
  words >> word >> word >> word;
  if (word.starts_with("v")) word.erase(0, 1);
  return word.empty() ? 0 : word[0] - '0';
}

/// A node's configuration of that version, with our handler merged as docs/install.md says.
std::string Configuration(int version) {
  const std::string name = version == 2 ? "" : "-version-" + std::to_string(version);
  return "version = " + std::to_string(version) + "\n" +
         ReadFile(fs::path(EnvOr("REPOSITORY", ".")) / "debian/kata" /
                  ("containerd-kata" + name + ".toml"));
}

/// What containerd takes `configuration` for: its own `config dump`.
toml::table Dump(const fs::path& containerd, const std::string& configuration) {
  TempDir dir("containerd");
  WriteFile(dir / "config.toml", configuration);
  const RunResult result =
      stx::Run({containerd.string(), "--config", (dir / "config.toml").string(), "config", "dump"},
               Milliseconds(20000));
  EXPECT_TRUE(result.status.Success()) << result.err;
  EXPECT_EQ(result.err.find("level=error"), std::string::npos) << result.err;
  return toml::parse(result.out);
}

TEST(Handler, IsReadByEachContainerdInEachVersionThatItTakes) {
  const std::vector<fs::path> containerds = Containerds();
  if (containerds.empty())
    GTEST_SKIP() << "no containerd: neither the lab's node (scripts/lab) nor $CONTAINERDS";
  for (const fs::path& containerd : containerds) {
    const int major = Major(containerd);
    ASSERT_TRUE(major == 1 || major == 2) << containerd << ": not a containerd that we know";
    for (int version : major == 1 ? std::vector<int>{1, 2} : std::vector<int>{2, 3}) {
      SCOPED_TRACE(containerd.string() + ", version " + std::to_string(version));
      const toml::table dump = Dump(containerd, Configuration(version));
      const char* plugin =
          major == 1 ? "io.containerd.grpc.v1.cri" : "io.containerd.cri.v1.runtime";
      const auto runtimes = dump["plugins"][plugin]["containerd"]["runtimes"];
      EXPECT_EQ(runtimes["runc"]["runtime_type"].value_or(std::string()), "io.containerd.runc.v2");
      const auto kata = runtimes["kata"];
      EXPECT_EQ(kata["runtime_type"].value_or(std::string()), "io.containerd.kata.v2");
      EXPECT_TRUE(kata["privileged_without_host_devices"].value_or(false));
      ASSERT_TRUE(kata["pod_annotations"].as_array());
      EXPECT_EQ(kata["pod_annotations"][0].value_or(std::string()), "io.katacontainers.*");
      EXPECT_EQ(kata["options"]["ConfigPath"].value_or(std::string()),
                "/etc/kata-containers/configuration-qemu.toml");
    }
  }
}

TEST(Handler, OfAnotherVersionIsNotTaken) {
  // What the test above would not see if every containerd found a handler in every file. (2.x reads
  // version 3's names in a file of version 2 as well.)
  for (const fs::path& containerd : Containerds()) {
    const bool is_1 = Major(containerd) == 1;
    const std::string handler = Configuration(is_1 ? 3 : 2);
    const std::string configuration =
        (is_1 ? "version = 2\n" : "version = 3\n") + handler.substr(handler.find('\n') + 1);
    const toml::table dump = Dump(containerd, configuration);
    const char* plugin = is_1 ? "io.containerd.grpc.v1.cri" : "io.containerd.cri.v1.runtime";
    EXPECT_FALSE(dump["plugins"][plugin]["containerd"]["runtimes"]["kata"]["options"]["ConfigPath"])
        << containerd;
  }
  if (Containerds().empty()) GTEST_SKIP() << "no containerd";
}

}  // namespace
}  // namespace stx
