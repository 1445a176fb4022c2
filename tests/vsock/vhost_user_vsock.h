// SPDX-License-Identifier: GPL-2.0-or-later
// A machine with a vhost-user-vsock-pci device, our back-end, a guest's driver, and a host that
// listens on port 80.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <optional>
#include <string>

#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vsock_backend.h"
#include "harness/virtio/virtio_pci.h"
#include "vsock/vsock_driver.h"

namespace stx {

class VhostUserVsock : public testing::Test {
 protected:
  static constexpr uint64_t kCid = 0x1234;
  static constexpr Milliseconds kWait{5000};

  void SetUp() override {
    StartBackend();
    StartMachine();
  }
  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report();
  }

  void StartBackend() {
    backend.emplace(
        VsockBackendOptions{.socket = dir / "vhost.sock", .guest_cid = kCid, .uds = dir / "vsock"});
  }

  void StartMachine() {
    qemu.emplace(Options());
    bus.emplace(qemu->qtest());
    device.emplace(*bus, bus->At(5));
    StartDriver();
  }
  QemuOptions Options() {
    QemuOptions options;
    options.qtest = true;
    options.args = {"-machine",
                    "q35,memory-backend=ram",
                    "-m",
                    "128M",
                    "-object",
                    "memory-backend-memfd,id=ram,size=128M,share=on",
                    "-nodefaults",
                    "-chardev",
                    "socket,id=vsock0,path=" + (dir / "vhost.sock").string(),
                    "-device",
                    "vhost-user-vsock-pci,chardev=vsock0,addr=5"};
    return options;
  }

  void StartDriver(uint64_t features = 0) {
    heap.emplace(16 << 20, 32 << 20);
    driver.emplace(*device, *heap, kCid, features);
  }

  /// Opens a stream from the guest's port to the host's port 80; returns the host's end.
  UniqueFd Connect(uint32_t guest_port = 1000, uint32_t buf_alloc = 1 << 20) {
    driver->Send(
        {.src_port = guest_port, .dst_port = 80, .op = kVsockRequest, .buf_alloc = buf_alloc});
    auto answer = driver->Receive();
    if (!answer || answer->header.op != kVsockResponse) throw std::runtime_error("no RESPONSE");
    return Accept(listener.get(), Deadline(kWait));
  }

  void SendBytes(const std::string& bytes, uint32_t guest_port = 1000) {
    driver->Send({.src_port = guest_port, .dst_port = 80, .op = kVsockRw, .buf_alloc = 1 << 20},
                 bytes);
  }

  /// Returns the op of the next packet, which is then in `got`, or -1 if there is none.
  int ReceiveOp(Milliseconds timeout = kWait) {
    auto packet = driver->Receive(timeout);
    got = packet.value_or(VsockPacket{});
    return packet ? int{packet->header.op} : -1;
  }

  /// Reads exactly `size` bytes, or everything until the end.
  static std::string Read(const UniqueFd& fd, size_t size = SIZE_MAX) {
    std::string text;
    char bytes[65536];
    while (text.size() < size) {
      if (!WaitFor(fd.get(), POLLIN, Deadline(kWait))) return text + "... and no end";
      ssize_t n = read(fd.get(), bytes, std::min(sizeof(bytes), size - text.size()));
      if (n <= 0) break;
      text.append(bytes, static_cast<size_t>(n));
    }
    return text;
  }

  /// Checks that it works, still or again.
  void ExpectAlive(uint32_t guest_port = 5555) {
    UniqueFd host = Connect(guest_port);
    SendBytes("alive", guest_port);
    EXPECT_EQ(Read(host, 5), "alive");
  }

  TempDir dir;
  UniqueFd listener = ListenUnix(dir / "vsock_80", 512);
  std::optional<VsockBackend> backend;
  std::optional<Qemu> qemu;
  std::optional<PciBus> bus;
  std::optional<VirtioPciDevice> device;
  std::optional<GuestHeap> heap;
  std::optional<VsockDriver> driver;
  VsockPacket got;
};

}  // namespace stx
