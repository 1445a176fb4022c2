// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/nine_p.h"

#include <stdexcept>

#include "base/load.h"

namespace stx {
namespace {

using namespace nine_p;

constexpr uint32_t kNoFid = ~0U, kHeader = 7;

}  // namespace

namespace nine_p {

std::string Setattr(uint32_t fid, uint32_t valid, const Values& v) {
  return Long(fid) + Long(valid) + Long(v.mode) + Long(v.uid) + Long(v.gid) + Quad(v.size) +
         Quad(v.atime) + Quad(v.atime_ns) + Quad(v.mtime) + Quad(v.mtime_ns);
}

Attributes ParseAttributes(const std::string& body) {
  const auto at32 = [&](size_t at) { return LoadAt<uint32_t>(body, at, "Rgetattr"); };
  const auto at64 = [&](size_t at) { return LoadAt<uint64_t>(body, at, "Rgetattr"); };
  // valid[8] qid[13] mode[4] uid[4] gid[4] nlink[8] rdev[8] size[8] blksize[8] blocks[8]
  // atime[16] mtime[16] ...
  return {body.substr(8, kQidSize),
          at32(21),
          at32(25),
          at32(29),
          at64(33),
          at64(41),
          at64(49),
          at64(73),
          at64(81),
          at64(89),
          at64(97)};
}

std::vector<Entry> ParseEntries(const std::string& body) {
  std::vector<Entry> entries;
  for (size_t at = 4; at < body.size();) {  // qid[13] offset[8] type[1] name[s]
    const auto length = LoadAt<uint16_t>(body, at + 22, "an entry");
    entries.push_back({body.substr(at + 24, length), body.substr(at, kQidSize),
                       LoadAt<uint64_t>(body, at + kQidSize, "an entry")});
    at += 24u + length;
  }
  return entries;
}

}  // namespace nine_p

NineP::NineP(PciBus& bus, uint8_t slot, GuestHeap& heap, const Options& options)
    : device_(bus, bus.At(slot)),
      queue_((device_.Negotiate(virtio::Bit(0)), device_.SetUpQueue(0, heap))),
      msize_(options.msize),
      dotl_(options.version == "9P2000.L") {
  for (int i = 0; i < kTags; ++i) {
    out_.push_back(heap.Allocate(msize_));
    in_.push_back(heap.Allocate(msize_));
  }
  device_.SetDriverOk();
  const std::string version = Call(kVersion, Long(msize_) + Text(options.version));
  if (version.substr(4) != Text(options.version))
    throw std::runtime_error("9P: " + options.version + " is not accepted");
  Call(kAttach, Long(0) + Long(kNoFid) + Text("") + Text("") + Long(0));
}

std::string NineP::MountTag() {
  std::string tag;
  for (uint32_t i = 0; i < device_.ConfigW(0); ++i)
    tag += static_cast<char>(device_.ConfigB(2 + i));
  return tag;
}

void NineP::Walk(uint32_t fid, const std::vector<std::string>& names, uint32_t from) {
  std::string body = Long(from) + Long(fid) + Word(static_cast<uint16_t>(names.size()));
  for (const std::string& name : names) body += Text(name);
  Call(kWalk, body);
}

void NineP::Open(uint32_t fid, uint32_t flags) { Call(kLopen, Long(fid) + Long(flags)); }

void NineP::Create(uint32_t fid, const std::string& name, uint32_t flags, uint32_t mode) {
  Call(kLcreate, Long(fid) + Text(name) + Long(flags) + Long(mode) + Long(0));
}

std::string NineP::Read(uint32_t fid, uint64_t offset, uint32_t count) {
  return Call(kRead, Long(fid) + Quad(offset) + Long(count)).substr(4);
}

uint32_t NineP::Write(uint32_t fid, uint64_t offset, const std::string& bytes) {
  return LoadAt<uint32_t>(
      Call(kWrite, Long(fid) + Quad(offset) + Long(static_cast<uint32_t>(bytes.size())) + bytes), 0,
      "Rwrite");
}

void NineP::Clunk(uint32_t fid) { Call(kClunk, Long(fid)); }

void NineP::Add(uint16_t tag, uint8_t type, const std::string& body, uint32_t room) {
  const size_t slot = tag - 1u;
  const std::string message =
      Long(static_cast<uint32_t>(kHeader + body.size())) + Byte(type) + Word(tag) + body;
  device_.qtest().MemWrite(out_.at(slot), message.data(), message.size());
  in_flight_[queue_.Add({{out_.at(slot), static_cast<uint32_t>(message.size()), false},
                         {in_.at(slot), room, true}})] = tag;
}

NineP::Reply NineP::Next() {
  const DriverQueue::Used used = queue_.Wait(Deadline(kWait));
  Reply reply;
  reply.tag = in_flight_.at(used.head);
  in_flight_.erase(used.head);
  if (used.written == 0) return reply;
  const auto bytes = device_.qtest().MemRead(in_.at(reply.tag - 1u), used.written);
  const std::string message(bytes.begin(), bytes.end());
  if (message.size() < kHeader || LoadAt<uint32_t>(message, 0, "a 9P reply") != message.size() ||
      LoadAt<uint16_t>(message, 5, "a 9P reply") != reply.tag)
    throw std::runtime_error("9P: a reply of " + std::to_string(used.written) +
                             " bytes whose header does not fit");
  reply.type = static_cast<uint8_t>(message[4]);
  reply.body = message.substr(kHeader);
  // Rerror has a text before the number.
  if (reply.type == kLerror + 1)
    reply.error = LoadAt<uint32_t>(reply.body, 0, "Rlerror");
  else if (reply.type == kError + 1)
    reply.error =
        LoadAt<uint32_t>(reply.body, 2u + LoadAt<uint16_t>(reply.body, 0, "Rerror"), "Rerror");
  return reply;
}

NineP::Reply NineP::Try(uint8_t type, const std::string& body) {
  Add(1, type, body);
  Notify();
  Reply reply = Next();
  if (reply.error == 0 && reply.type != type + 1)
    throw std::runtime_error("9P: a reply of type " + std::to_string(reply.type) +
                             " to a request of type " + std::to_string(type));
  return reply;
}

std::string NineP::Call(uint8_t type, const std::string& body) {
  const Reply reply = Try(type, body);
  if (reply.error) {
    error_ = reply.error;
    throw std::runtime_error(std::string("9P: ") + std::strerror(static_cast<int>(error_)));
  }
  return reply.body;
}

}  // namespace stx
