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
#include "harness/qemu/migration.h"
#include "harness/qemu/pci.h"

namespace stx {
namespace {

constexpr uint64_t kCounter = 0x500;
constexpr size_t kMemory = 16 << 20;
constexpr char kEtherType[] = "\x88\xb5";  // IEEE 802: local experimental

// Writes to every page from 14 MiB (below are the driver's rings and buffers) up to the end, round
// and round, and counts the pages; slowly enough that throttling shows. Runs at F000:0000; offsets
// are on the left, jumps and the GDT depend on them. The invlpg is for TCG: until QEMU 9.0
// (upstream commit 03bfc2188f) a page whose translation stays cached is not seen dirty a second
// time.
constexpr uint8_t kCode[] = {
    0xfa,                                            // 00 cli
    0xe4, 0x92,                                      // 01 in al, 0x92
    0x0c, 0x02,                                      // 03 or al, 2         A20 on
    0xe6, 0x92,                                      // 05 out 0x92, al
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0x6a, 0x00,        // 07 lgdt cs:[0x6a]
    0x0f, 0x20, 0xc0,                                // 0e mov eax, cr0
    0x0c, 0x01,                                      // 11 or al, 1         protected mode
    0x0f, 0x22, 0xc0,                                // 13 mov cr0, eax
    0x66, 0xea, 0x1e, 0x00, 0x0f, 0x00, 0x08, 0x00,  // 16 jmp 08:000f001e
    0x66, 0xb8, 0x10, 0x00,                          // 1e mov ax, 0x10
    0x8e, 0xd8,                                      // 22 mov ds, ax
    0xbf, 0x00, 0x00, 0xe0, 0x00,                    // 24 mov edi, 14 MiB  a round
    0xfe, 0x07,                                      // 29 inc byte [edi]   a page
    0x0f, 0x01, 0x3f,                                // 2b invlpg [edi]
    0xff, 0x05, 0x00, 0x05, 0x00, 0x00,              // 2e inc dword [0x500]
    0x0f, 0x01, 0x3d, 0x00, 0x05, 0x00, 0x00,        // 34 invlpg [0x500]
    0xb9, 0x00, 0x00, 0x01, 0x00,                    // 3b mov ecx, 65536
    0xe2, 0xfe,                                      // 40 loop 40
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,              // 42 add edi, 4096
    0x81, 0xff, 0x00, 0x00, 0x00, 0x01,              // 48 cmp edi, 16 MiB
    0x72, 0xd9,                                      // 4e jb 29
    0xeb, 0xd2,                                      // 50 jmp 24
    0,    0,    0,    0,    0,    0,    0,    0,     // 52 GDT: null
    0xff, 0xff, 0,    0,    0,    0x9a, 0xcf, 0,     // 5a 08: flat code
    0xff, 0xff, 0,    0,    0,    0x92, 0xcf, 0,     // 62 10: flat data
    0x17, 0x00, 0x52, 0x00, 0x0f, 0x00,              // 6a GDT limit and address
};

std::string ReadFrom(int fd, size_t size) {
  std::string text(size, '\0');
  Deadline deadline(Machine::kTimeout);
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

Machine::Machine(const std::filesystem::path& binary, const std::string& type,
                 const std::string* stream, const MachineRole& role)
    : role_(role), qtest_listener_(ListenUnix(dir_ / "qtest")) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) ThrowErrno("socketpair");
  wire_.Reset(pair[0]);
  const UniqueFd theirs(pair[1]);
  WriteFile(dir_ / "firmware", Firmware({reinterpret_cast<const char*>(kCode), sizeof(kCode)}));
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
  // From a file, the whole load is one step of the main loop, and nothing can come between.
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

Machine::~Machine() {
  if (const std::string broken = vhost_.Broken(); !broken.empty())
    std::cerr << "the vhost-user back-end gave up: " << broken << "\n";
  if (std::uncaught_exceptions())
    std::cerr << "QEMU " << (qemu_->process().Running() ? "runs" : "has ended") << "; "
              << qemu_->Report() << "\n";
}

void Machine::SendOnWire(const std::string& frame) {
  // A frame's length, big-endian, then its bytes (-netdev stream).
  const char length = static_cast<char>(frame.size() - kNetHeader);
  WriteAll(wire_.get(), std::string{0, 0, 0, length} + frame.substr(kNetHeader));
}

std::string Machine::ReceiveOnWire() {
  for (;;) {
    const std::string length = ReadFrom(wire_.get(), 4);
    const std::string frame = ReadFrom(wire_.get(), static_cast<uint8_t>(length[3]));
    if (frame.substr(12, 2) == kEtherType) return std::string(kNetHeader, '\0') + frame;
  }
}

std::string Machine::ReadPort(size_t size) { return ReadFrom(port_.get(), size); }

std::string Machine::EndAndReadPort() {
  qemu_->process().Kill();
  std::string text;
  char chunk[65536];
  for (ssize_t n; (n = read(port_.get(), chunk, sizeof(chunk))) > 0;)
    text.append(chunk, static_cast<size_t>(n));
  return text;
}

uint32_t Machine::Counter() { return qtest().ReadL(kCounter); }

std::string Machine::Memory() {
  qmp().Execute("pmemsave", {{"val", 0}, {"size", kMemory}, {"filename", dir_ / "memory"}});
  return ReadFile(dir_ / "memory");
}

json Machine::DeviceState() {
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
      ring.erase("shadow-avail-idx");  // a cache of guest memory, read anew by the target
      state["rings"].push_back(ring);
    }
  return state;
}

void Until(const std::function<bool()>& done) {
  WaitUntil("what the machine was to do", Deadline(Machine::kTimeout), done);
}

}  // namespace stx
