// SPDX-License-Identifier: GPL-2.0-or-later
// The real shim beside our model of it (tests/kata): the same options in the same order, and the
// same QMP calls with the same arguments.
#include <gtest/gtest.h>

#include <regex>

#include "base/process.h"
#include "kata/pod_command.h"
#include "kata/pod_variants.h"
#include "kata/qmp_calls.h"
#include "lab/on_node/kata_container.h"
#include "lab/on_node/kata_trace.h"
#include "lab/on_node/on_node.h"
#include "lab/on_node/pod_network.h"

namespace stx {
namespace {

/// With what differs from pod to pod replaced: ids that Kata draws, and the sandbox's UUID.
std::string Normal(const std::string& option) {
  static const std::regex uuid("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), hex("[0-9a-f]{16}");
  return std::regex_replace(std::regex_replace(option, uuid, "UUID"), hex, "HEX");
}

std::vector<std::string> Normal(std::vector<std::string> options) {
  for (std::string& option : options) option = Normal(option);
  return options;
}

class KataTraced : public KataTest {};

TEST_F(KataTraced, OurModelsCommandLineIsTheShims) {
  PodNetwork network(1500);
  KataTrace trace;
  std::vector<std::string> flags = trace.Flags();
  for (const std::string& flag : PodNetwork::Flags()) flags.push_back(flag);
  KataContainer container("lab-trace", flags);
  container.End();

  CommandLine shims(trace.Options());
  const std::string qmp = "-qmp ";
  ASSERT_TRUE(shims.Has(qmp));
  shims.Drop(qmp);  // the harness's, in a pod of our model
  const auto value = [&](const std::string& start) {
    for (const std::string& option : shims.options())
      if (option.starts_with(start + " ")) return option.substr(start.size() + 1);
    throw std::runtime_error("the shim gives no " + start);
  };
  PodValues values;
  values.id = "lab-trace";
  values.dir = "/run/vc/vm/lab-trace";
  values.kernel = value("-kernel");
  values.image = shims.GetValue("-object memory-backend-file,id=mem0", "mem-path");
  const std::string vsock = "-device vhost-vsock-pci";
  values.guest_cid = std::stoull(shims.GetValue(vsock, "guest-cid"));
  values.vsock_fd = std::stoi(shims.GetValue(vsock, "vhostfd"));
  values.nic = PodNic{{std::stoi(shims.GetValue("-netdev tap", "vhostfds"))},
                      {std::stoi(shims.GetValue("-netdev tap", "fds"))},
                      shims.GetValue("-device driver=virtio-net-pci", "mac")};
  const std::string append = value("-append"), last = "scsi_mod.scan=none ";
  if (const size_t at = append.find(last); at != std::string::npos)
    values.kernel_params = append.substr(at + last.size());  // the release's own
  CommandLine model = MakePodCommand(values);
  AddRootPorts(2)(model);  // our configuration's pcie_root_port
  EXPECT_EQ(Normal(shims.options()), Normal(model.options()));

  const std::vector<std::string> descriptors = trace.Descriptors();  // the first one is number 3
  ASSERT_EQ(descriptors.size(), 4u);
  EXPECT_TRUE(descriptors[0].starts_with("socket:")) << descriptors[0];  // the monitor's
  const auto target = [&](int fd) { return descriptors.at(static_cast<size_t>(fd - 3)); };
  EXPECT_EQ(target(values.vsock_fd), "/dev/vhost-vsock");
  EXPECT_EQ(target(values.nic->vhost_fds[0]), "/dev/vhost-net");
  EXPECT_EQ(target(values.nic->tap_fds[0]), "/dev/net/tun");
  ReportFact(std::to_string(shims.options().size()) + " options and 4 descriptors");
}

TEST_F(KataTraced, OurModelsQmpCallsAreTheShims) {
  KataTrace trace;
  std::vector<std::string> flags = InPod("lab-trace", "sandbox");
  for (const std::string& flag : trace.Flags()) flags.push_back(flag);
  KataContainer pod("lab-trace", flags);
  flags = InPod("lab-trace", "container");
  flags.insert(flags.end(), {"--cpus", "1", "--memory-limit", std::to_string(256 << 20)});
  KataContainer worker("lab-worker", flags);
  worker.End();
  pod.End();

  const auto call = [](const char* name, const json& arguments = {}) {
    json command{{"execute", name}};
    if (!arguments.is_null()) command["arguments"] = arguments;
    return command;
  };
  const json second_cpu{
      {"type", "host-x86_64-cpu"},
      {"props", {{"socket-id", 1}, {"die-id", 0}, {"core-id", 0}, {"thread-id", 0}}}};
  const std::vector<json> expected{
      call("qmp_capabilities"),
      call("qmp_capabilities"),
      call("query-cpus-fast"),
      call("query-hotpluggable-cpus"),
      call("device_add", MakeVcpu(second_cpu, 0)),
      call("query-memory-devices"),
      call("object-add", MakeMemoryBackend("mem1", 256 << 20, "/dev/shm")),
      call("device_add", MakeDimm(1)),
  };
  std::vector<json> commands = trace.Commands();
  ReportFact(std::to_string(commands.size()) + " QMP commands");
  ASSERT_GE(commands.size(), expected.size());
  // What follows only asks: how often depends on the time that the pod lives.
  for (size_t i = expected.size(); i < commands.size(); ++i)
    EXPECT_TRUE(std::string(commands[i]["execute"]).starts_with("query-")) << commands[i];
  commands.resize(expected.size());
  EXPECT_EQ(commands, expected);
}

}  // namespace
}  // namespace stx
