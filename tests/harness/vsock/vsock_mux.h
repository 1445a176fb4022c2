// SPDX-License-Identifier: GPL-2.0-or-later
// All streams between one guest and the host's Unix sockets, bridged as Firecracker and Cloud
// Hypervisor do ("hybrid vsock"):
//  - the guest connects to CID 2, port P: the Unix socket UDS_P is connected to, or it gets a RST
//    when nobody listens there (or the listener's backlog is full);
//  - a host process connects to the Unix socket UDS and writes "CONNECT <guest port>\n": it reads
//    "OK <host port>\n" when the guest accepted, or is closed.
// Unknown or malformed packets are answered by a RST; those that are not between this guest and the
// host are dropped, as the kernel's vhost-vsock does.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "harness/vsock/vsock_stream.h"

namespace stx {

class VsockMux {
 public:
  /// Streams of both directions at a time, those included whose last bytes are on their way. More
  /// from the guest are refused, more from the host wait in the listener's backlog.
  static constexpr size_t kMaxStreams = 1024;

  /// Listens on `uds`. `output` is called when something for the guest came from a socket.
  VsockMux(EventLoop& loop, uint64_t guest_cid, std::filesystem::path uds,
           std::function<void()> output);
  ~VsockMux();

  /// A packet that the guest sent; `payload` is header.len bytes.
  void Receive(const VsockHeader& header, std::span<const iovec> payload);
  /// False when Send would have nothing.
  bool HasOutput() const { return !replies_.empty() || !ready_.empty(); }
  /// The next packet to the guest, its payload in `room`, which is at least one byte.
  std::optional<VsockHeader> Send(std::span<const iovec> room);
  /// RSTs that wait to be sent; the caller stops receiving when these are too many.
  size_t replies() const { return replies_.size(); }

  /// The guest's driver started anew (`driver`), or is gone: all streams end. Hosts' requests are
  /// refused while there is none.
  void Reset(bool driver);

 private:
  struct Key {
    uint32_t guest_port, host_port;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    VsockStream stream;
    std::optional<uint32_t> watched;
    bool ready = false;
  };
  using Streams = std::map<Key, Entry>;
  struct Greeting {
    UniqueFd socket;
    std::string line;
  };

  VsockHeader Address(VsockHeader header, Key key) const;
  void ConnectToHost(Key key, const VsockHeader& request);
  void ConnectToGuest(UniqueFd socket, uint32_t guest_port);
  void AcceptHost();
  void ReadGreeting(int fd);
  void Insert(Key key, VsockStream stream);
  void Settle(Streams::iterator entry);
  void End(Streams::iterator entry);
  void WatchListener();

  EventLoop& loop_;
  const uint64_t guest_cid_;
  const std::filesystem::path uds_;
  const std::function<void()> output_;
  UniqueFd listener_;
  bool driver_ = false;
  uint32_t next_host_port_ = 1u << 30;
  Streams streams_;
  std::map<int, VsockStream> draining_;  // over for the guest
  std::map<int, Greeting> greetings_;    // hosts that have not said what they want
  std::deque<Key> ready_;                // streams that want to send, in turn
  std::deque<VsockHeader> replies_;
};

}  // namespace stx
