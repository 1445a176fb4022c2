// SPDX-License-Identifier: GPL-2.0-or-later
// All streams between one guest and the host's Unix sockets, connected as Firecracker and Cloud
// Hypervisor do it ("hybrid vsock"):
//  - The guest connects to CID 2, port P: the mux connects to the Unix socket UDS_P, or sends a RST
//    if nothing listens there (or the listener's backlog is full).
//  - A host process connects to the Unix socket UDS and writes "CONNECT <guest port>\n". It reads
//    "OK <host port>\n" if the guest accepted; otherwise its connection is closed.
// Unknown or malformed packets are answered with a RST. Packets that are not between this guest and
// the host are dropped, as the kernel's vhost-vsock does.
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
  /// The maximum number of streams at a time, including those whose last bytes are still being
  /// delivered. Further requests from the guest are refused; further hosts wait in the listener's
  /// backlog.
  static constexpr size_t kMaxStreams = 1024;

  /// Listens on `uds`. Calls `output` when a socket has data for the guest.
  VsockMux(EventLoop& loop, uint64_t guest_cid, std::filesystem::path uds,
           std::function<void()> output);
  ~VsockMux();

  /// Takes a packet from the guest; `payload` has header.len bytes.
  void Receive(const VsockHeader& header, std::span<const iovec> payload);
  /// False if Send would return nothing.
  bool HasOutput() const { return !replies_.empty() || !ready_.empty(); }
  /// The next packet to the guest. Its payload is written to `room`, which has at least one byte.
  std::optional<VsockHeader> Send(std::span<const iovec> room);
  /// The number of RSTs that wait to be sent. The caller stops receiving if there are too many.
  size_t replies() const { return replies_.size(); }

  /// The guest's driver has started again (`driver` is true) or has gone; all streams end. While
  /// there is no driver, requests from hosts are refused.
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
  std::map<int, VsockStream> draining_;  // the guest considers them closed
  std::map<int, Greeting> greetings_;    // hosts that have not sent their request yet
  std::deque<Key> ready_;                // streams that have something to send, in turn
  std::deque<VsockHeader> replies_;
};

}  // namespace stx
