// SPDX-License-Identifier: GPL-2.0-or-later
#include "virtiofs/fuse_client.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <thread>

namespace stx {
namespace {

constexpr uint16_t kPriorityQueue = 0, kRequestQueue = 1;
constexpr size_t kName = 256;

/// The T at the start of a reply, which may be shorter if the daemon uses an older version of FUSE.
template <typename T>
T From(const std::string& bytes, size_t offset = 0) {
  T value{};
  if (offset < bytes.size())
    std::memcpy(&value, bytes.data() + offset, std::min(sizeof(T), bytes.size() - offset));
  return value;
}

std::string Terminated(const std::string& name) { return name + '\0'; }

}  // namespace

FuseError::FuseError(uint32_t opcode, int error)
    : std::runtime_error("FUSE operation " + std::to_string(opcode) + ": " + std::strerror(error)),
      error_(error) {}

FuseClient::FuseClient(VirtioDevice& device, GuestHeap& heap, uint16_t queue_size)
    : device_(device),
      agreed_(device.Negotiate(0)),
      priority_(device.SetUpQueue(kPriorityQueue, heap, queue_size)),
      requests_(device.SetUpQueue(kRequestQueue, heap, queue_size)),
      arena_(heap.Allocate(kArena, 4096)),
      next_byte_(arena_) {
  device.SetDriverOk();
}

uint64_t FuseClient::Post(uint32_t opcode, uint64_t node, const std::string& arguments, size_t room,
                          const std::string& data) {
  if (in_flight_.empty()) next_byte_ = arena_;
  QTest& qtest = device_.qtest();
  std::vector<VirtqueueBuffer> chain;
  const auto part = [&](size_t size, bool device_writes) {
    const uint64_t at = (next_byte_ + 15) & ~15ULL;
    next_byte_ = at + size;
    if (next_byte_ > arena_ + kArena) throw std::runtime_error("too much is in flight");
    chain.push_back({at, static_cast<uint32_t>(size), device_writes});
    return at;
  };
  fuse_in_header header{};
  header.len = static_cast<uint32_t>(sizeof(header) + arguments.size() + data.size());
  header.opcode = opcode;
  header.unique = next_unique_++;
  header.nodeid = node;
  header.pid = 1;
  qtest.MemWrite(part(sizeof(header), false), &header, sizeof(header));
  if (!arguments.empty())
    qtest.MemWrite(part(arguments.size(), false), arguments.data(), arguments.size());
  if (!data.empty()) qtest.MemWrite(part(data.size(), false), data.data(), data.size());
  uint64_t reply = 0;
  if (opcode != FUSE_FORGET) {
    reply = part(sizeof(fuse_out_header), true);
    // Directly behind the header, so that the reply can be read as one.
    next_byte_ = reply + sizeof(fuse_out_header);
    if (room) {
      chain.push_back({next_byte_, static_cast<uint32_t>(room), true});
      next_byte_ += room;
    }
    qtest.MemSet(reply, sizeof(fuse_out_header), 0);
  }
  in_flight_[requests_.Add(chain)] = {header.unique, opcode, reply};
  return header.unique;
}

void FuseClient::Kick() {
  if (requests_.NeedsNotify()) device_.Notify(kRequestQueue);
}

void FuseClient::Take(const DriverQueue::Used& used) {
  const auto found = in_flight_.find(used.head);
  if (found == in_flight_.end()) throw std::runtime_error("a reply to no request");
  const Request request = found->second;
  in_flight_.erase(found);
  FuseReply reply{0, ""};
  if (request.reply) {
    const std::vector<uint8_t> bytes = device_.qtest().MemRead(request.reply, used.written);
    const std::string text(bytes.begin(), bytes.end());
    const auto header = From<fuse_out_header>(text);
    if (text.empty() && request.opcode == FUSE_DESTROY) {
      // The Rust daemon returns the buffer without a reply.
    } else if (text.size() < sizeof(header) || header.len != text.size() ||
               header.unique != request.unique) {
      throw std::runtime_error("a reply of " + std::to_string(text.size()) +
                               " bytes says: length " + std::to_string(header.len) + ", request " +
                               std::to_string(header.unique));
    } else {
      reply = {-header.error, text.substr(sizeof(header))};
    }
  }
  done_[request.unique] = std::move(reply);
}

FuseReply FuseClient::Collect(uint64_t unique, Milliseconds timeout) {
  for (Deadline deadline(timeout);;) {
    while (auto used = requests_.Take()) Take(*used);
    if (auto found = done_.find(unique); found != done_.end()) {
      FuseReply reply = std::move(found->second);
      done_.erase(found);
      return reply;
    }
    if (deadline.Passed()) throw std::runtime_error("no reply from the daemon in time");
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

std::string FuseClient::Call(uint32_t opcode, uint64_t node, const std::string& arguments,
                             size_t room, const std::string& data) {
  const uint64_t unique = Post(opcode, node, arguments, room, data);
  Kick();
  FuseReply reply = Collect(unique);
  if (reply.error) throw FuseError(opcode, reply.error);
  return std::move(reply.bytes);
}

fuse_init_out FuseClient::Init(uint32_t flags) {
  fuse_init_in in{};
  in.major = 7;
  in.minor = 31;
  in.max_readahead = 128 << 10;
  in.flags = flags;
  // The older size; the fields after `flags` came with 7.36.
  const uint64_t unique = Post(FUSE_INIT, 0, FuseBytes(in).substr(0, 16), sizeof(fuse_init_out));
  // QEMU 7.2 sends SET_VRING_ENABLE without waiting for the daemon to process it, so the Rust
  // daemon can lose a kick that arrives at once. Kick until it answers.
  std::optional<FuseReply> reply;
  for (Deadline deadline(kWait); !reply;) {
    Kick();
    try {
      reply = Collect(unique, deadline.Passed() ? kWait : Milliseconds(500));
    } catch (const std::runtime_error&) {
      if (deadline.Passed()) throw;
    }
  }
  if (reply->error) throw FuseError(FUSE_INIT, reply->error);
  return From<fuse_init_out>(reply->bytes);
}

fuse_entry_out FuseClient::Lookup(uint64_t parent, const std::string& name) {
  return From<fuse_entry_out>(Call(FUSE_LOOKUP, parent, Terminated(name), sizeof(fuse_entry_out)));
}

void FuseClient::Forget(uint64_t node, uint64_t lookups) {
  Call(FUSE_FORGET, node, FuseBytes(fuse_forget_in{lookups}), 0);
}

fuse_attr FuseClient::Getattr(uint64_t node) {
  return From<fuse_attr_out>(
             Call(FUSE_GETATTR, node, FuseBytes(fuse_getattr_in{}), sizeof(fuse_attr_out)))
      .attr;
}

fuse_attr FuseClient::Truncate(uint64_t node, uint64_t size) {
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  in.size = size;
  return From<fuse_attr_out>(Call(FUSE_SETATTR, node, FuseBytes(in), sizeof(fuse_attr_out))).attr;
}

fuse_entry_out FuseClient::Mkdir(uint64_t parent, const std::string& name) {
  return From<fuse_entry_out>(Call(FUSE_MKDIR, parent,
                                   FuseBytes(fuse_mkdir_in{0755, 0}) + Terminated(name),
                                   sizeof(fuse_entry_out)));
}

fuse_entry_out FuseClient::Symlink(uint64_t parent, const std::string& name,
                                   const std::string& target) {
  return From<fuse_entry_out>(
      Call(FUSE_SYMLINK, parent, Terminated(name) + Terminated(target), sizeof(fuse_entry_out)));
}

std::string FuseClient::Readlink(uint64_t node) { return Call(FUSE_READLINK, node, "", 4096); }

fuse_entry_out FuseClient::Link(uint64_t node, uint64_t parent, const std::string& name) {
  return From<fuse_entry_out>(Call(
      FUSE_LINK, parent, FuseBytes(fuse_link_in{node}) + Terminated(name), sizeof(fuse_entry_out)));
}

void FuseClient::Unlink(uint64_t parent, const std::string& name) {
  Call(FUSE_UNLINK, parent, Terminated(name), 0);
}

void FuseClient::Rmdir(uint64_t parent, const std::string& name) {
  Call(FUSE_RMDIR, parent, Terminated(name), 0);
}

void FuseClient::Rename(uint64_t parent, const std::string& name, uint64_t new_parent,
                        const std::string& new_name, uint32_t flags) {
  const std::string names = Terminated(name) + Terminated(new_name);
  if (flags)
    Call(FUSE_RENAME2, parent, FuseBytes(fuse_rename2_in{new_parent, flags, 0}) + names, 0);
  else
    Call(FUSE_RENAME, parent, FuseBytes(fuse_rename_in{new_parent}) + names, 0);
}

fuse_kstatfs FuseClient::Statfs() {
  return From<fuse_statfs_out>(Call(FUSE_STATFS, FUSE_ROOT_ID, "", sizeof(fuse_statfs_out))).st;
}

FuseClient::File FuseClient::Create(uint64_t parent, const std::string& name) {
  fuse_create_in in{};
  in.flags = O_RDWR | O_CREAT;
  in.mode = S_IFREG | 0644;
  const std::string reply = Call(FUSE_CREATE, parent, FuseBytes(in) + Terminated(name),
                                 sizeof(fuse_entry_out) + sizeof(fuse_open_out));
  return {From<fuse_entry_out>(reply).nodeid,
          From<fuse_open_out>(reply, sizeof(fuse_entry_out)).fh};
}

FuseClient::File FuseClient::Open(uint64_t node, uint32_t flags) {
  fuse_open_in in{};
  in.flags = flags;
  return {node,
          From<fuse_open_out>(Call(FUSE_OPEN, node, FuseBytes(in), sizeof(fuse_open_out))).fh};
}

std::string FuseClient::Read(const File& file, uint64_t offset, uint32_t size) {
  fuse_read_in in{};
  in.fh = file.handle;
  in.offset = offset;
  in.size = size;
  return Call(FUSE_READ, file.node, FuseBytes(in), size);
}

uint32_t FuseClient::Write(const File& file, uint64_t offset, const std::string& bytes) {
  fuse_write_in in{};
  in.fh = file.handle;
  in.offset = offset;
  in.size = static_cast<uint32_t>(bytes.size());
  return From<fuse_write_out>(
             Call(FUSE_WRITE, file.node, FuseBytes(in), sizeof(fuse_write_out), bytes))
      .size;
}

void FuseClient::Flush(const File& file) {
  fuse_flush_in in{};
  in.fh = file.handle;
  Call(FUSE_FLUSH, file.node, FuseBytes(in), 0);
}

void FuseClient::Fsync(const File& file) {
  Call(FUSE_FSYNC, file.node, FuseBytes(fuse_fsync_in{file.handle, 0, 0}), 0);
}

void FuseClient::Release(const File& file) {
  fuse_release_in in{};
  in.fh = file.handle;
  Call(FUSE_RELEASE, file.node, FuseBytes(in), 0);
}

std::map<std::string, fuse_attr> FuseClient::ReadFolder(uint64_t node) {
  const uint64_t handle = From<fuse_open_out>(Call(FUSE_OPENDIR, node, FuseBytes(fuse_open_in{}),
                                                   sizeof(fuse_open_out)))
                              .fh;
  std::map<std::string, fuse_attr> found;
  for (uint64_t offset = 0;;) {
    fuse_read_in in{};
    in.fh = handle;
    in.offset = offset;
    in.size = 32768;
    const std::string bytes = Call(FUSE_READDIRPLUS, node, FuseBytes(in), in.size);
    if (bytes.empty()) break;
    for (size_t at = 0; at + FUSE_NAME_OFFSET_DIRENTPLUS <= bytes.size();) {
      const auto entry = From<fuse_direntplus>(bytes, at);
      if (entry.dirent.namelen == 0 || entry.dirent.namelen >= kName)
        throw std::runtime_error("a folder's entry has a name of " +
                                 std::to_string(entry.dirent.namelen) + " bytes");
      const std::string name = bytes.substr(at + FUSE_NAME_OFFSET_DIRENTPLUS, entry.dirent.namelen);
      if (name != "." && name != ".." && !found.emplace(name, entry.entry_out.attr).second)
        throw std::runtime_error("a folder has the name " + name + " twice");
      offset = entry.dirent.off;
      at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + name.size());
    }
  }
  fuse_release_in release{};
  release.fh = handle;
  Call(FUSE_RELEASEDIR, node, FuseBytes(release), 0);
  return found;
}

void FuseClient::SetXattr(uint64_t node, const std::string& name, const std::string& value) {
  // The older header, because FUSE_SETXATTR_EXT was not negotiated.
  fuse_setxattr_in in{};
  in.size = static_cast<uint32_t>(value.size());
  Call(FUSE_SETXATTR, node,
       FuseBytes(in).substr(0, FUSE_COMPAT_SETXATTR_IN_SIZE) + Terminated(name) + value, 0);
}

std::string FuseClient::GetXattr(uint64_t node, const std::string& name) {
  return Call(FUSE_GETXATTR, node, FuseBytes(fuse_getxattr_in{4096, 0}) + Terminated(name), 4096);
}

std::vector<std::string> FuseClient::ListXattr(uint64_t node) {
  const std::string list = Call(FUSE_LISTXATTR, node, FuseBytes(fuse_getxattr_in{4096, 0}), 4096);
  std::vector<std::string> names;
  for (size_t at = 0; at < list.size(); at += names.back().size() + 1)
    names.emplace_back(list.c_str() + at);
  return names;
}

void FuseClient::RemoveXattr(uint64_t node, const std::string& name) {
  Call(FUSE_REMOVEXATTR, node, Terminated(name), 0);
}

}  // namespace stx
