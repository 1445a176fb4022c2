// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vsock/vsock_mux.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace stx {
namespace {

constexpr size_t kMaxGreeting = 32;

/// Connects a socket to the listener at `path` without waiting; none if that is impossible.
UniqueFd TryConnect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0)
    return {};
  return fd;
}

/// The port in "CONNECT <port>".
std::optional<uint32_t> ParseGreeting(std::string_view line) {
  constexpr std::string_view kConnect = "CONNECT ";
  if (!line.starts_with(kConnect)) return std::nullopt;
  line.remove_prefix(kConnect.size());
  uint32_t port = 0;
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), port);
  if (error != std::errc() || end != line.data() + line.size()) return std::nullopt;
  return port;
}

}  // namespace

VsockMux::VsockMux(EventLoop& loop, uint64_t guest_cid, std::filesystem::path uds,
                   std::function<void()> output)
    : loop_(loop),
      guest_cid_(guest_cid),
      uds_(std::move(uds)),
      output_(std::move(output)),
      listener_(ListenUnix(uds_, 512)) {
  fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  WatchListener();
}

VsockMux::~VsockMux() { unlink(uds_.c_str()); }

void VsockMux::WatchListener() {
  if (streams_.size() + draining_.size() + greetings_.size() < kMaxStreams)
    loop_.Watch(listener_.get(), EPOLLIN, [this](uint32_t) { AcceptHost(); });
  else
    loop_.Unwatch(listener_.get());
}

VsockHeader VsockMux::Address(VsockHeader header, Key key) const {
  header.src_cid = kVsockHostCid;
  header.dst_cid = guest_cid_;
  header.src_port = key.host_port;
  header.dst_port = key.guest_port;
  return header;
}

void VsockMux::Receive(const VsockHeader& header, std::span<const iovec> payload) {
  if (header.src_cid != guest_cid_ || header.dst_cid != kVsockHostCid) return;
  Key key{header.src_port, header.dst_port};
  auto entry = header.type == kVsockStream ? streams_.find(key) : streams_.end();
  if (entry != streams_.end()) {
    entry->second.stream.Receive(header, payload);
    Settle(entry);
  } else if (header.type == kVsockStream && header.op == kVsockRequest) {
    ConnectToHost(key, header);
  } else if (header.op != kVsockRst) {
    replies_.push_back(Address({.op = kVsockRst}, key));
    replies_.back().type = header.type;
  }
}

void VsockMux::ConnectToHost(Key key, const VsockHeader& request) {
  UniqueFd socket;
  if (streams_.size() + draining_.size() + greetings_.size() < kMaxStreams)
    socket = TryConnect(uds_.string() + "_" + std::to_string(key.host_port));
  if (socket)
    Insert(key, VsockStream::FromGuest(std::move(socket), request));
  else
    replies_.push_back(Address({.op = kVsockRst}, key));
}

void VsockMux::AcceptHost() {
  UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    // If we run out of descriptors, try again when a stream has ended instead of in a busy loop.
    if (errno != EAGAIN && errno != EINTR) loop_.Unwatch(listener_.get());
    return;
  }
  int fd = socket.get();
  greetings_[fd].socket = std::move(socket);
  loop_.Watch(fd, EPOLLIN, [this, fd](uint32_t) { ReadGreeting(fd); });
  WatchListener();
}

void VsockMux::ReadGreeting(int fd) {
  Greeting& greeting = greetings_.at(fd);
  // The bytes after this line belong to the stream, so none of them may be read here.
  char bytes[kMaxGreeting];
  ssize_t n = recv(fd, bytes, kMaxGreeting - greeting.line.size(), MSG_PEEK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  std::string_view seen(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  size_t newline = seen.find('\n');
  seen = seen.substr(0, newline);
  greeting.line += seen;
  bool complete = newline != seen.npos;
  if (!seen.empty() || complete) (void)!recv(fd, bytes, seen.size() + complete, 0);
  if (!complete && n > 0 && greeting.line.size() < kMaxGreeting) return;

  Greeting done = std::move(greeting);
  loop_.Unwatch(fd);
  greetings_.erase(fd);
  if (auto port = complete ? ParseGreeting(done.line) : std::nullopt; port && driver_)
    ConnectToGuest(std::move(done.socket), *port);
  WatchListener();
}

void VsockMux::ConnectToGuest(UniqueFd socket, uint32_t guest_port) {
  Key key{guest_port, next_host_port_++};
  while (streams_.contains(key)) key.host_port = next_host_port_++;
  std::string greeting = "OK " + std::to_string(key.host_port) + "\n";
  Insert(key, VsockStream::FromHost(std::move(socket), std::move(greeting)));
  output_();
}

void VsockMux::Insert(Key key, VsockStream stream) {
  Settle(streams_.emplace(key, Entry{std::move(stream), std::nullopt}).first);
  WatchListener();
}

void VsockMux::Settle(Streams::iterator entry) {
  Key key = entry->first;
  VsockStream& stream = entry->second.stream;
  if (stream.end() != VsockStream::End::kNo) {
    if (stream.end() == VsockStream::End::kReset)
      replies_.push_back(Address({.op = kVsockRst}, key));
    return End(entry);
  }
  if (!entry->second.ready && stream.WantsToSend()) {
    entry->second.ready = true;
    ready_.push_back(key);
  }
  std::optional<uint32_t> wanted = stream.WantedEvents();
  if (wanted == entry->second.watched) return;
  entry->second.watched = wanted;
  if (!wanted) return loop_.Unwatch(stream.fd());
  loop_.Watch(stream.fd(), *wanted, [this, key](uint32_t events) {
    auto found = streams_.find(key);
    found->second.stream.HandleEvents(events);
    Settle(found);
    output_();
  });
}

void VsockMux::End(Streams::iterator entry) {
  Key key = entry->first;
  VsockStream stream = std::move(entry->second.stream);
  if (entry->second.ready) std::erase(ready_, key);
  streams_.erase(entry);
  int fd = stream.fd();
  loop_.Unwatch(fd);
  if (stream.Draining()) {
    draining_.emplace(fd, std::move(stream));
    loop_.Watch(fd, EPOLLOUT, [this, fd](uint32_t events) {
      VsockStream& last = draining_.at(fd);
      last.HandleEvents(events);
      if (last.Draining()) return;
      loop_.Unwatch(fd);
      draining_.erase(fd);
      WatchListener();
    });
  }
  WatchListener();
}

std::optional<VsockHeader> VsockMux::Send(std::span<const iovec> room) {
  if (!replies_.empty()) {
    VsockHeader reply = replies_.front();
    replies_.pop_front();
    return reply;
  }
  while (!ready_.empty()) {
    Key key = ready_.front();
    ready_.pop_front();
    auto entry = streams_.find(key);
    entry->second.ready = false;
    std::optional<VsockHeader> header = entry->second.stream.Send(room);
    Settle(entry);
    if (header) return Address(*header, key);
  }
  return std::nullopt;
}

void VsockMux::Reset(bool driver) {
  driver_ = driver;
  while (!streams_.empty()) End(streams_.begin());
  replies_.clear();
}

}  // namespace stx
