// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz/qmp_session.h"

#include <sys/resource.h>

#include <csignal>
#include <optional>

#include "fuzz/qmp_grammar.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

constexpr Milliseconds kAnswer{60000};
constexpr size_t kLongest = 4 << 20;  // query-qmp-schema answers 200 KiB

/// QEMU's files stay small, and it dumps no core.
bool LimitFiles() {
  std::signal(SIGXFSZ, SIG_IGN);  // so that a write beyond the limit is an error
  const rlimit file{64 << 20, 64 << 20}, core{0, 0};
  return setrlimit(RLIMIT_FSIZE, &file) == 0 && setrlimit(RLIMIT_CORE, &core) == 0;
}

QemuOptions MakePod(const std::filesystem::path& binary, const std::filesystem::path& folder) {
  WriteFile(folder / "disk", std::string(1 << 20, '\0'));
  QemuOptions options;
  options.binary = binary;
  options.qtest = true;
  options.args = {"-sandbox",
                  "on,obsolete=deny,elevateprivileges=deny,spawn=deny",
                  "-machine",
                  "q35,nvdimm=on",
                  "-nodefaults",
                  "-display",
                  "none",
                  "-m",
                  "64M,slots=4,maxmem=1G",
                  "-smp",
                  "1,maxcpus=4",
                  "-object",
                  "rng-builtin,id=rng",
                  "-device",
                  "pcie-root-port,id=rp0,chassis=1",
                  "-device",
                  "pci-bridge,id=br0,chassis_nr=2",
                  "-device",
                  "virtio-rng-pci,rng=rng,id=entropy",
                  "-blockdev",
                  "driver=file,node-name=file0,filename=" + (folder / "disk").string(),
                  "-blockdev",
                  "driver=raw,node-name=disk0,file=file0",
                  "-device",
                  "virtio-scsi-pci,id=scsi",
                  "-device",
                  "scsi-hd,drive=disk0,id=hd",
                  "-chardev",
                  "ringbuf,id=ring",
                  "-device",
                  "virtio-serial-pci,id=serial",
                  "-device",
                  "virtconsole,chardev=ring,id=console",
                  "-netdev",
                  "hubport,hubid=0,id=net",
                  "-device",
                  "virtio-net-pci,netdev=net,id=nic"};
  options.spawn.before_exec = LimitFiles;
  return options;
}

/// The current folder, for the life of this object.
class InFolder {
 public:
  explicit InFolder(const std::filesystem::path& folder) { std::filesystem::current_path(folder); }
  ~InFolder() { std::filesystem::current_path(before_); }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
};

/// device_add and qom-set take what their schema does not describe: properties of a type.
void AddProperties(QmpGrammar& grammar, Qmp& qmp, const json& types, json& command) {
  json& arguments = command["arguments"];
  if (command["execute"] == "device_add") {
    const std::string driver = types[grammar.Pick(types.size())]["name"];
    arguments["driver"] = driver;
    if (grammar.OneIn(2)) arguments["bus"] = grammar.MakeText();
    for (const json& property :
         qmp.Execute("device-list-properties", {{"typename", driver}}, kAnswer))
      if (grammar.OneIn(10)) arguments[property["name"]] = grammar.MakeProperty(property["type"]);
  } else if (command["execute"] == "qom-set" || command["execute"] == "qom-get") {
    const json list = qmp.Execute("qom-list", {{"path", arguments["path"]}}, kAnswer);
    if (list.empty()) return;
    const json& property = list[grammar.Pick(list.size())];
    arguments["property"] = property["name"];
    if (command["execute"] == "qom-set")
      arguments["value"] = grammar.MakeProperty(property["type"]);
  }
}

}  // namespace

QmpSession RunQmpSession(const std::filesystem::path& binary, unsigned seed, int commands) {
  TempDir folder("qmp-fuzz");
  const InFolder in(folder.path());  // commands name files at random
  QmpSession session;
  Qemu qemu(MakePod(binary, folder.path()));
  qemu.qmp().set_max_line(kLongest);
  QmpGrammar grammar(qemu.qmp().Execute("query-qmp-schema"), seed);
  const json types =
      qemu.qmp().Execute("qom-list-types", {{"implements", "device"}, {"abstract", false}});
  for (const char* query : {"query-pci", "query-named-block-nodes", "query-chardev", "query-block"})
    grammar.Learn(qemu.qmp().Execute(query));
  for (const char* path : {"/machine/peripheral", "/machine/unattached", "/objects"})
    for (const json& child : qemu.qmp().Execute("qom-list", {{"path", path}}))
      grammar.Learn(path + ("/" + child["name"].get<std::string>()));

  std::string sent;
  while (session.commands < commands) {
    json command = grammar.MakeCommand();
    try {
      AddProperties(grammar, qemu.qmp(), types, command);
    } catch (const QmpError&) {
      // A path or a type that does not exist: so it is sent as it is.
    } catch (const std::exception& error) {
      sent += "(the properties of) " + command.dump() + "\n";
    }
    if (command.contains("arguments") && command["arguments"].is_null()) command.erase("arguments");
    sent += command.dump() + "\n";
    ++session.commands;
    try {
      grammar.Learn(
          qemu.qmp().Execute(command["execute"], command.value("arguments", json()), kAnswer));
      ++session.accepted;
    } catch (const QmpError&) {
      // A refusal is an answer.
    } catch (const std::exception&) {
      const std::optional<ExitStatus> status = qemu.process().Wait(Milliseconds(2000));
      // A watchdog has shut it down, or it wanted to start a program, which the sandbox forbids.
      if (status && (status->Success() || status->signal == SIGSYS)) return session;
      session.finding = (status ? "QEMU ended: " + status->ToString() : "QEMU does not answer") +
                        "\n" + qemu.process().Stderr() + "seed " + std::to_string(seed) +
                        ", after:\n" + sent;
      return session;
    }
  }
  return session;
}

}  // namespace stx
