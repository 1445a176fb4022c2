// SPDX-License-Identifier: GPL-2.0-or-later
// Each variant of a pod's command line starts without unexpected messages, reaches its kernel with
// the given command line and memory, and shows the setting; or it is refused with its message.

#include "command_line/variants.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "harness/qemu/contract.h"
#include "kata/tiny_pod.h"

namespace stx {
namespace {

class CommandLineTest : public testing::TestWithParam<KataVariant> {
 protected:
  void TearDown() override {
    if (HasFailure() && started) std::cerr << machine->qemu().Report() << "\n";
  }

  /// The QOM path of `name`; see Shows.
  std::string Path(const std::string& name) {
    if (name.starts_with("/")) return name;
    for (const json& child : machine->qmp().Execute("qom-list", {{"path", "/machine/peripheral"}}))
      if (child["name"] == name) return "/machine/peripheral/" + name;
    for (const char* folder : {"/machine/peripheral-anon", "/machine/unattached"})
      for (const json& child : machine->qmp().Execute("qom-list", {{"path", folder}}))
        if (child["type"] == "child<" + name + ">")
          return std::string(folder) + "/" + child["name"].get<std::string>();
    return "no device of type or id " + name;
  }

  void ExpectStart(const KataVariant& variant, const CommandLine& command);
  void ExpectRefusal(const KataVariant& variant);

  std::optional<TinyPod> machine;
  bool started = false;
};

void CommandLineTest::ExpectStart(const KataVariant& variant, const CommandLine& command) {
  const auto kernel = machine->WaitKernel();
  ASSERT_TRUE(kernel) << "the firmware did not start the kernel";
  for (const std::string& option : command.options()) {
    if (option.starts_with("-append ")) {
      EXPECT_TRUE(kernel->command_line.starts_with(option.substr(8)))
          << "the kernel got: " << kernel->command_line;
    }
    if (option.starts_with("-initrd ")) {
      EXPECT_EQ(kernel->initrd_size, 12345u);
      EXPECT_TRUE(ReadGuestMemory(machine->qmp(), kernel->initrd, 12345,
                                  machine->dir() / "scratch") == std::string(12345, 'r'));
    }
  }
  EXPECT_EQ(machine->qmp().Execute("query-status")["status"], "running");
  for (const Shows& shows : variant.shows) {
    const json wanted = shows.value.is_string() ? json(machine->Fill(shows.value)) : shows.value;
    EXPECT_EQ(machine->qmp().Execute("qom-get",
                                     {{"path", Path(shows.path)}, {"property", shows.property}}),
              wanted)
        << shows.path << "." << shows.property;
  }
  // Kata reads the pidfile to end the machine.
  EXPECT_EQ(std::stoi(ReadFile(machine->dir() / "pid")), machine->qemu().process().pid());
  const std::string said = machine->qemu().process().Stderr();
  EXPECT_EQ(static_cast<size_t>(std::count(said.begin(), said.end(), '\n')),
            variant.complaints.size())
      << said;
  for (const std::string& wanted : variant.complaints)
    EXPECT_NE(said.find(wanted), std::string::npos) << wanted;
}

void CommandLineTest::ExpectRefusal(const KataVariant& variant) {
  const auto status = machine->qemu().process().Wait(Milliseconds(20000));
  ASSERT_TRUE(status) << "it starts";
  EXPECT_EQ(status->code, 1) << status->ToString();
  EXPECT_NE(machine->qemu().process().Stderr().find(machine->Fill(variant.refused)),
            std::string::npos)
      << "wanted: " << variant.refused;
}

TEST_P(CommandLineTest, DoesWhatTheContractSays) {
  const KataVariant& variant = GetParam();
  Covers({variant.row});
  for (const std::string& row : variant.also) Covers({row});
  machine.emplace(variant.queues);
  if (!machine->missing().empty()) GTEST_SKIP() << machine->missing();
  CommandLine command = machine->Command();
  for (const CommandEdit& edit : variant.edits) edit(command);
  machine->Start(command);
  started = true;
  if (variant.refused.empty())
    ExpectStart(variant, command);
  else
    ExpectRefusal(variant);
}

INSTANTIATE_TEST_SUITE_P(Kata, CommandLineTest, testing::ValuesIn(ListVariants()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stx
