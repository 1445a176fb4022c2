// SPDX-License-Identifier: GPL-2.0-or-later
#include "migration/machine.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <sstream>

#include "base/waiting.h"
#include "harness/guest_code/firmware.h"
#include "harness/guest_code/guest_code.h"
#include "harness/qemu/migration.h"
#include "harness/qemu/pci.h"

DECLARE_GUEST_CODE(migrating);

namespace stx {
namespace {

constexpr uint64_t kCounter = 0x500;
constexpr size_t kMemory = 16 << 20;
constexpr char kEtherType[] = "\x88\xb5";  // IEEE 802: local experimental

std::string ReadFrom(int fd, size_t size) {
  std::string text(size, '\0');
  Deadline deadline(MigrationMachine::kTimeout);
  for (size_t at = 0; at < size;) {
    if (!WaitFor(fd, POLLIN, deadline)) throw std::runtime_error("nothing to read in time");
    const ssize_t n = read(fd, text.data() + at, size - at);
    if (n <= 0) throw std::runtime_error("QEMU has closed its end");
    at += static_cast<size_t>(n);
  }
  return text;
}

}  // namespace

std::string Frame(const std::string& payload, char to) {
  std::string frame(kNetHeader, '\0');
  frame += std::string{0x52, 0x54, 0, 0, 0, to} + std::string{0x52, 0x54, 0, 0, 1, 1};
  frame += kEtherType + payload;
  frame.resize(kNetHeader + 80);
  return frame;
}

MigrationMachine::MigrationMachine(const std::filesystem::path& binary, const std::string& type,
                                   const std::string* stream, const MachineRole& role)
    : role_(role), qtest_listener_(ListenUnix(dir_ / "qtest")) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) ThrowErrno("socketpair");
  wire_.Reset(pair[0]);
  const UniqueFd theirs(pair[1]);
  WriteFile(dir_ / "firmware", MakeFirmware(GUEST_CODE(migrating)));
  QemuOptions options;
  options.binary = binary;
  std::istringstream words(
      "-S -accel tcg -nodefaults -display none -qtest-log none -m 16 "
      "-object memory-backend-memfd,id=ram,size=16M,share=on "
      "-netdev stream,id=wire,server=off,addr.type=fd,addr.str=" +
      std::to_string(options.Inherit(theirs.get())) +
      " -device virtio-net-pci,id=net,netdev=wire,mac=52:54:00:00:00:01,romfile=,addr=5 "
      "-device virtio-serial-pci,id=serial,addr=7 "
      "-device virtserialport,bus=serial.0,nr=1,chardev=port,name=org.test");
  options.args = {std::istream_iterator<std::string>(words), {}};
  const auto add = [&](const std::vector<std::string>& more) {
    options.args.insert(options.args.end(), more.begin(), more.end());
  };
  add({"-machine", type + ",memory-backend=ram", "-bios", dir_ / "firmware"});
  add({"-qtest", "unix:" + (dir_ / "qtest").string()});
  if (role.vhost)
    add({"-chardev", "socket,id=vhost,path=" + (dir_ / "vhost").string(), "-netdev",
         "vhost-user,id=loop,chardev=vhost", "-device",
         "virtio-net-pci,id=vnet,netdev=loop,mac=52:54:00:00:00:07,romfile=,addr=6"});
  if (has_disk())
    add({"-blockdev", "raw,node-name=disk,file.driver=file,file.filename=" + role.disk.string(),
         "-device", "virtio-blk-pci,drive=disk,addr=8"});
  add({"-chardev", "socket,id=port,server=on,wait=off,path=" + (dir_ / "port").string()});
  // Reading from a file, the whole load is one step of the main loop, and nothing can happen in
  // between.
  UniqueFd file(memfd_create("stream", MFD_CLOEXEC));
  std::string stream_fd;
  if (stream) {
    WriteAll(file.get(), *stream);
    lseek(file.get(), 0, SEEK_SET);
    stream_fd = std::to_string(options.Inherit(file.get()));
  }
  if (stream || role.target) add({"-incoming", "defer"});
  qemu_.emplace(std::move(options));
  try {
    qmp();
    qtest_.emplace(Accept(qtest_listener_.get(), Deadline(kTimeout)));
    port_ = ConnectUnix(dir_ / "port", Deadline(kTimeout));
    Until([&] {
      return qmp().Execute("query-chardev").dump().find("disconnected") == std::string::npos;
    });
    if (!stream) return;
    qmp().Execute("migrate-incoming", {{"uri", "fd:" + stream_fd}});
    const json end = WaitMigrationEnd(qmp());
    if (end["status"] != "completed") throw std::runtime_error("load: " + end.dump());
  } catch (const std::exception& error) {
    throw std::runtime_error(binary.string() + ": " + error.what() + "\n" + qemu_->Report());
  }
}

MigrationMachine::~MigrationMachine() {
  if (const std::string broken = vhost_.Broken(); !broken.empty())
    std::cerr << "the vhost-user back-end gave up: " << broken << "\n";
  if (std::uncaught_exceptions())
    std::cerr << "QEMU " << (qemu_->process().Running() ? "runs" : "has ended") << "; "
              << qemu_->Report() << "\n";
}

void MigrationMachine::SendOnWire(const std::string& frame) {
  // The length of a frame, big-endian, and its bytes (-netdev stream).
  const char length = static_cast<char>(frame.size() - kNetHeader);
  WriteAll(wire_.get(), std::string{0, 0, 0, length} + frame.substr(kNetHeader));
}

std::string MigrationMachine::ReceiveOnWire() {
  for (;;) {
    const std::string length = ReadFrom(wire_.get(), 4);
    const std::string frame = ReadFrom(wire_.get(), static_cast<uint8_t>(length[3]));
    if (frame.substr(12, 2) == kEtherType) return std::string(kNetHeader, '\0') + frame;
  }
}

std::string MigrationMachine::ReadPort(size_t size) { return ReadFrom(port_.get(), size); }

std::string MigrationMachine::EndAndReadPort() {
  qemu_->process().Kill();
  std::string text;
  char chunk[65536];
  for (ssize_t n; (n = read(port_.get(), chunk, sizeof(chunk))) > 0;)
    text.append(chunk, static_cast<size_t>(n));
  return text;
}

uint32_t MigrationMachine::Counter() { return qtest().ReadL(kCounter); }

std::string MigrationMachine::Memory() {
  qmp().Execute("pmemsave", {{"val", 0}, {"size", kMemory}, {"filename", dir_ / "memory"}});
  return ReadFile(dir_ / "memory");
}

json MigrationMachine::DeviceState() {
  json state{{"filter", qmp().Execute("query-rx-filter", {{"name", "net"}})}};
  for (uint8_t slot : {kNetSlot, kVhostSlot, kSerialSlot, kDiskSlot})
    for (int at = 0; at < 256; at += 4)
      state["pci"].push_back(PciBus(qtest()).At(slot).ReadL(static_cast<uint8_t>(at)));
  for (const json& device : qmp().Execute("x-query-virtio"))
    for (int queue = 0; queue < 6; ++queue) {
      if (device["name"] == "virtio-net" && queue > kNetControl) break;
      if (device["name"] == "virtio-blk" && queue > 0) break;
      json ring = qmp().Execute("x-query-virtio-queue-status",
                                {{"path", device["path"]}, {"queue", queue}});
      ring.erase("shadow-avail-idx");  // a cache of guest memory, which the target reads again
      state["rings"].push_back(ring);
    }
  return state;
}

void Until(const std::function<bool()>& done) {
  WaitUntil("what the machine was to do", Deadline(MigrationMachine::kTimeout), done);
}

}  // namespace stx
