// SPDX-License-Identifier: GPL-2.0-or-later
// The operations of the protocol, with every field of each request and reply.
//
//   info      {}                          -> release, version, machine, cmdline, uptime_ms,
//                                            guest_id (text of /guest-id), root, share, notes,
//                                            times
//   cpus      {}                          -> online, present, possible: numbers
//   memory    {}                          -> total_kb, free_kb, available_kb, huge_pages,
//                                            block_bytes, blocks [{block, state}]
//   blocks    {}                          -> blocks [{name, bytes, read_only, serial, device}]
//   nets      {}                          -> nets [{name, mac, up, mtu, driver, queues, device}]
//   pci       {}                          -> pci [{address, vendor, device, class, driver, path}]
//   read      {path, offset?, length?}    -> data; 8 MiB without length; shorter at the
//                                            end of the file
//   write     {path, data, offset?}       -> {}; creates the file; without offset, empties it first
//   stat      {path}                      -> bytes, mode (with type), inode, dax
//   list      {path}                      -> names
//   online    {cpu, on?} or {memory, on?} -> {}; memory is the number of a block
//   run       {argv, timeout_ms?}         -> code, signal, stdout, stderr; one minute without
//                                            timeout_ms
//   vsock-echo {port}                     -> {}; from then on returns what arrives at that port
//   poweroff, reboot, panic {}            -> {}; then acts
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
// After sys/socket.h, because it needs sockaddr.
#include <linux/vm_sockets.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "guest/guestd/inventory.h"
#include "guest/guestd/program.h"
#include "guest/guestd/server.h"
#include "guest/guestd/sys.h"
#include "guest/protocol.h"

namespace stx::guestd {

namespace {

BootReport boot;
int connection = -1;

const json& Field(const json& request, const char* name) {
  auto found = request.find(name);
  if (found == request.end()) throw std::runtime_error(std::string("no field ") + name);
  return *found;
}

std::string TextField(const json& request, const char* name) {
  const json& value = Field(request, name);
  if (!value.is_string()) throw std::runtime_error(std::string(name) + " is not text");
  return value.get<std::string>();
}

uint64_t NumberField(const json& request, const char* name, uint64_t fallback) {
  if (!request.contains(name)) return fallback;
  if (!request[name].is_number_unsigned())
    throw std::runtime_error(std::string(name) + " is not a natural number");
  return request[name].get<uint64_t>();
}

struct MountLine {
  std::string source, type, options;
};

/// The topmost mount on `target`, from /proc/mounts; its fields are empty if there is none.
MountLine FindMount(const std::string& target) {
  MountLine found;
  for (const std::string& line : Split(ReadText("/proc/mounts"), '\n')) {
    auto words = Split(line, ' ');
    if (words.size() >= 4 && words[1] == target) found = {words[0], words[2], words[3]};
  }
  return found;
}

/// STATX_ATTR_DAX: the file is read from the device's memory and not through the page cache.
struct statx StatPath(const std::string& path) {
  struct statx status {};
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS, &status) != 0) Fail(path);
  return status;
}

/// "" if the write succeeded, otherwise the kernel's message.
std::string TryWrite(const std::string& path) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return strerror(errno);
  close(fd);
  unlink(path.c_str());
  return "";
}

std::string TryRemountWritable() {
  if (mount("", "/", nullptr, MS_REMOUNT, "") != 0) return strerror(errno);
  mount("", "/", nullptr, MS_REMOUNT | MS_RDONLY, "");
  return "";
}

json RootInfo() {
  MountLine root = FindMount("/");
  json info{{"source", root.source}, {"type", root.type}, {"options", root.options}};
  if (root.type == "rootfs" || root.type == "tmpfs" || root.type == "ramfs") return info;
  info["dax"] = (StatPath("/sbin/init").stx_attributes & STATX_ATTR_DAX) != 0;
  info["write_error"] = TryWrite("/guestd-probe");
  // A system whose root is writable must stay writable.
  bool read_only = Split(root.options, ',').front() == "ro";
  info["remount_error"] = read_only ? TryRemountWritable() : "";
  return info;
}

json ShareInfo() {
  MountLine share = FindMount("/share");
  return {{"source", share.source}, {"type", share.type}, {"options", share.options}};
}

json Info(const json&) {
  utsname name{};
  uname(&name);
  return {{"release", name.release},    {"version", name.version},
          {"machine", name.machine},    {"cmdline", ReadAttribute("/proc/cmdline")},
          {"uptime_ms", GetUptimeMs()}, {"guest_id", ReadAttribute("/guest-id")},
          {"root", RootInfo()},         {"share", ShareInfo()},
          {"notes", boot.notes},        {"times", boot.times}};
}

json Read(const json& request) {
  std::string path = TextField(request, "path");
  uint64_t length = NumberField(request, "length", kMaxFrame / 2);
  Fd fd = Open(path, O_RDONLY);
  std::string data = ReadAt(fd.get(), NumberField(request, "offset", 0),
                            std::min<uint64_t>(length, kMaxFrame), path);
  return {{"data", MakeBytes(data)}};
}

json Write(const json& request) {
  std::string path = TextField(request, "path");
  std::string data = GetBytes(Field(request, "data"));
  bool in_place = request.contains("offset");
  Fd fd = Open(path, O_WRONLY | O_CREAT | (in_place ? 0 : O_TRUNC));
  if (in_place &&
      lseek(fd.get(), static_cast<off_t>(NumberField(request, "offset", 0)), SEEK_SET) < 0)
    Fail(path);
  for (std::string_view left = data; !left.empty();) {
    ssize_t n = write(fd.get(), left.data(), left.size());
    if (n < 0) Fail(path);
    left.remove_prefix(static_cast<size_t>(n));
  }
  // The host looks at the backing file next. Files in /proc and /sys have nothing to flush.
  if (fsync(fd.get()) != 0 && errno != EINVAL) Fail(path);
  return json::object();
}

json Stat(const json& request) {
  struct statx status = StatPath(TextField(request, "path"));
  return {{"bytes", status.stx_size},
          {"mode", status.stx_mode},
          {"inode", status.stx_ino},
          {"dax", (status.stx_attributes & STATX_ATTR_DAX) != 0}};
}

json List(const json& request) {
  std::string path = TextField(request, "path");
  if (!S_ISDIR(StatPath(path).stx_mode)) throw std::runtime_error(path + ": not a directory");
  return {{"names", ListNames(path)}};
}

json Online(const json& request) {
  bool cpu = request.contains("cpu");
  const char* kind = cpu ? "cpu" : "memory";
  Field(request, kind);
  WriteText("/sys/devices/system/" + std::string(kind) + "/" + kind +
                std::to_string(NumberField(request, kind, 0)) + "/online",
            request.value("on", true) ? "1" : "0");
  return json::object();
}

json Run(const json& request) {
  std::vector<std::string> argv;
  for (const json& word : Field(request, "argv")) argv.push_back(word.get<std::string>());
  if (argv.empty()) throw std::runtime_error("argv is empty");
  RunOutcome outcome = RunProgram(argv, NumberField(request, "timeout_ms", 60000), connection);
  return {{"code", outcome.code},
          {"signal", outcome.signal},
          {"stdout", MakeBytes(outcome.out)},
          {"stderr", MakeBytes(outcome.err)}};
}

/// Returns what arrives, until the other side has shut down its sending direction.
void Echo(int connection) {
  std::array<char, 65536> chunk;
  for (ssize_t n; (n = read(connection, chunk.data(), chunk.size())) > 0;)
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = write(connection, chunk.data() + done, static_cast<size_t>(n - done));
      if (written <= 0) return;
      done += written;
    }
}

json VsockEcho(const json& request) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = static_cast<unsigned>(NumberField(request, "port", 0));
  Fd listener(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener ||
      bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener.get(), 256) != 0)
    Fail("vsock port " + std::to_string(address.svm_port));
  if (fork() != 0) return json::object();
  for (;;) {
    const int connection = accept(listener.get(), nullptr, nullptr);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (connection >= 0 && fork() == 0) {
      Echo(connection);
      _exit(0);
    }
    close(connection);
  }
}

json Nothing(const json&) { return json::object(); }

constexpr int kSyncMs = 2000;

/// In a child and with a time limit, because a share whose daemon has died must not keep the guest
/// alive.
void Sync() {
  pid_t child = fork();
  if (child == 0) {
    sync();
    _exit(0);
  }
  for (int ms = 0; ms < kSyncMs && waitpid(child, nullptr, WNOHANG) == 0; ms++) usleep(1000);
}

template <int kHow>
void End() {
  Sync();
  reboot(kHow);
}

void Panic() { WriteText("/proc/sysrq-trigger", "c"); }

constexpr std::array kOperations{
    Operation{"info", Info},
    Operation{"cpus", Cpus},
    Operation{"memory", Memory},
    Operation{"blocks", Blocks},
    Operation{"nets", Nets},
    Operation{"pci", Pci},
    Operation{"read", Read},
    Operation{"write", Write},
    Operation{"stat", Stat},
    Operation{"list", List},
    Operation{"online", Online},
    Operation{"run", Run},
    Operation{"vsock-echo", VsockEcho},
    Operation{"poweroff", Nothing, End<RB_POWER_OFF>},
    Operation{"reboot", Nothing, End<RB_AUTOBOOT>},
    Operation{"panic", Nothing, Panic},
};

}  // namespace

void SetBootReport(const BootReport& report) { boot = report; }

void SetConnection(int fd) { connection = fd; }

Answer AnswerRequest(const json& request) {
  try {
    std::string name = TextField(request, "op");
    for (const Operation& operation : kOperations) {
      if (name != operation.name) continue;
      json reply = operation.run(request);
      reply["ok"] = true;
      return {std::move(reply), operation.after};
    }
    throw std::runtime_error("no such operation");
  } catch (const std::exception& error) {
    return {{{"error", error.what()}}};
  }
}

}  // namespace stx::guestd
