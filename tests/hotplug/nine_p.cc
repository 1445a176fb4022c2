// SPDX-License-Identifier: GPL-2.0-or-later
#include "hotplug/nine_p.h"

#include <cstring>
#include <stdexcept>

#include "base/load.h"

namespace stx {
namespace {

constexpr uint8_t kLerror = 7, kLopen = 12, kLcreate = 14, kVersion = 100, kAttach = 104,
                  kWalk = 110, kRead = 116, kWrite = 118, kClunk = 120;
constexpr uint32_t kNoFid = ~0U, kHeader = 7;

template <typename T>
std::string Number(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string Text(const std::string& text) {
  return Number(static_cast<uint16_t>(text.size())) + text;
}

}  // namespace

NineP::NineP(HotplugPod& pod, PciBus& bus, uint8_t slot)
    : pod_(pod),
      device_(bus, bus.At(slot)),
      queue_((device_.Negotiate(virtio::Bit(0)), device_.SetUpQueue(0, pod.heap()))),
      out_(pod.heap().Allocate(kMessage)),
      in_(pod.heap().Allocate(kMessage)) {
  device_.SetDriverOk();
  Call(kVersion, Number(kMessage) + Text("9P2000.L"));
  Call(kAttach, Number(uint32_t{0}) + Number(kNoFid) + Text("") + Text("") + Number(uint32_t{0}));
}

std::string NineP::MountTag() {
  std::string tag;
  for (uint32_t i = 0; i < device_.ConfigW(0); ++i)
    tag += static_cast<char>(device_.ConfigB(2 + i));
  return tag;
}

void NineP::Walk(uint32_t fid, const std::vector<std::string>& names) {
  std::string body =
      Number(uint32_t{0}) + Number(fid) + Number(static_cast<uint16_t>(names.size()));
  for (const std::string& name : names) body += Text(name);
  Call(kWalk, body);
}

void NineP::Open(uint32_t fid, uint32_t flags) { Call(kLopen, Number(fid) + Number(flags)); }

void NineP::Create(uint32_t fid, const std::string& name, uint32_t flags, uint32_t mode) {
  Call(kLcreate, Number(fid) + Text(name) + Number(flags) + Number(mode) + Number(uint32_t{0}));
}

std::string NineP::Read(uint32_t fid, uint64_t offset, uint32_t count) {
  return Call(kRead, Number(fid) + Number(offset) + Number(count)).substr(4);
}

uint32_t NineP::Write(uint32_t fid, uint64_t offset, const std::string& bytes) {
  return LoadAt<uint32_t>(Call(kWrite, Number(fid) + Number(offset) +
                                           Number(static_cast<uint32_t>(bytes.size())) + bytes),
                          0, "Rwrite");
}

void NineP::Clunk(uint32_t fid) { Call(kClunk, Number(fid)); }

std::string NineP::Call(uint8_t type, const std::string& body) {
  const std::string message = Number(static_cast<uint32_t>(kHeader + body.size())) +
                              static_cast<char>(type) + Number(uint16_t{1}) + body;
  pod_.qtest().MemWrite(out_, message.data(), message.size());
  queue_.Add({{out_, static_cast<uint32_t>(message.size()), false}, {in_, kMessage, true}});
  device_.Notify(0);
  const uint32_t written = queue_.Wait(Deadline(HotplugPod::kWait)).written;
  const auto bytes = pod_.qtest().MemRead(in_, written);
  const std::string reply(bytes.begin(), bytes.end());
  if (reply.size() < kHeader || LoadAt<uint32_t>(reply, 0, "a 9P reply") != reply.size())
    throw std::runtime_error("9P: a reply of " + std::to_string(written) + " bytes");
  if (static_cast<uint8_t>(reply[4]) == kLerror) {
    error_ = LoadAt<uint32_t>(reply, kHeader, "Rlerror");
    throw std::runtime_error(std::string("9P: ") + std::strerror(static_cast<int>(error_)));
  }
  if (static_cast<uint8_t>(reply[4]) != type + 1) throw std::runtime_error("9P: another reply");
  return reply.substr(kHeader);
}

}  // namespace stx
