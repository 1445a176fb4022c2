// SPDX-License-Identifier: GPL-2.0-or-later
// What a VNC client may send (RFC 6143, and the extended clipboard of the community's rfbproto).
//   PixelFormat   vnc-pixel-format.patch
//   Clipboard     vnc-clipboard-size.patch
//   Lossy         vnc-lossy-edges.patch

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{10000};

void Big(std::string& bytes, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * (width - 1 - i));
}
uint32_t Number(const std::string& bytes, size_t at, size_t width) {
  uint32_t value = 0;
  for (size_t i = 0; i < width; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

/// A client that has completed the handshake and knows the size of the screen.
class VncClient {
 public:
  explicit VncClient(const std::filesystem::path& socket)
      : fd_(ConnectUnix(socket, Deadline(kTimeout))) {
    Read(12);
    Send("RFB 003.008\n");
    Read(static_cast<uint8_t>(Read(1)[0]));  // the ways to authenticate
    Send("\1");                              // none
    Read(4);
    Send("\1");  // shared
    const std::string init = Read(24);
    width = Number(init, 0, 2);
    height = Number(init, 2, 2);
    Read(Number(init, 20, 4));
  }
  void Send(const std::string& bytes) { WriteAll(fd_.get(), bytes); }
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    size_t got = 0;
    for (const Deadline deadline(kTimeout); got < size;) {
      if (!WaitFor(fd_.get(), POLLIN, deadline)) throw std::runtime_error("nothing comes");
      const ssize_t n = read(fd_.get(), bytes.data() + got, size - got);
      if (n <= 0) throw std::runtime_error("QEMU hung up");
      got += static_cast<size_t>(n);
    }
    return bytes;
  }
  /// Everything that arrives until nothing does for `quiet`. Waits up to `first` for the first
  /// byte.
  std::string Drain(Milliseconds quiet, Milliseconds first = kTimeout) {
    std::string all, bytes(1 << 16, '\0');
    while (WaitFor(fd_.get(), POLLIN, Deadline(all.empty() ? first : quiet))) {
      const ssize_t n = read(fd_.get(), bytes.data(), bytes.size());
      if (n <= 0) throw std::runtime_error("QEMU hung up");
      all.append(bytes, 0, static_cast<size_t>(n));
    }
    return all;
  }
  /// True if QEMU closes the connection. Data before that is dropped.
  bool IsClosed() {
    std::string bytes(1 << 16, '\0');
    for (const Deadline deadline(kTimeout); WaitFor(fd_.get(), POLLIN, deadline);)
      if (read(fd_.get(), bytes.data(), bytes.size()) <= 0) return true;
    return false;
  }

  size_t width = 0, height = 0;

 private:
  UniqueFd fd_;
};

class VncFaults : public MachineTest {
 protected:
  void SetUp() override {
    if (!HasDeviceType("VGA")) GTEST_SKIP() << "$QEMU has no VGA";
    StartMachine({"-device", "VGA", "-vnc", "unix:" + Socket().string()});
  }
  std::filesystem::path Socket() const { return dir / "vnc"; }
  static std::string SetEncodings(const std::vector<uint32_t>& encodings) {
    std::string bytes("\2\0", 2);
    Big(bytes, encodings.size(), 2);
    for (uint32_t encoding : encodings) Big(bytes, encoding, 4);
    return bytes;
  }
};

struct Format {
  const char* name;
  uint8_t bits, depth;
  uint16_t red_max, green_max, blue_max;
  uint8_t red_shift, green_shift, blue_shift;
};
void PrintTo(const Format& format, std::ostream* out) { *out << format.name; }

class PixelFormat : public VncFaults {
 protected:
  static std::string SetPixelFormat(const Format& format) {
    std::string bytes(4, '\0');
    bytes += static_cast<char>(format.bits);
    bytes += static_cast<char>(format.depth);
    bytes += std::string("\0\1", 2);  // little-endian, true colour
    for (uint16_t max : {format.red_max, format.green_max, format.blue_max}) Big(bytes, max, 2);
    for (uint8_t shift : {format.red_shift, format.green_shift, format.blue_shift})
      bytes += static_cast<char>(shift);
    return bytes + std::string(3, '\0');
  }
  static std::string RequestRow(size_t width) {
    std::string bytes("\3\0\0\0\0\0", 6);
    Big(bytes, width, 2);
    Big(bytes, 1, 2);
    return bytes;
  }
  /// Requests the first row of the screen. The answer must be whole rectangles with pixels of this
  /// size that include that row.
  static void ExpectRow(VncClient& client, size_t bytes_of_pixel) {
    client.Send(RequestRow(client.width));
    const std::string head = client.Read(4);
    ASSERT_EQ(head[0], 0);
    size_t row = 0;
    for (uint32_t left = Number(head, 2, 2); left; --left) {
      const std::string rectangle = client.Read(12);
      ASSERT_EQ(Number(rectangle, 8, 4), 0u) << "another encoding";
      const size_t width = Number(rectangle, 4, 2), height = Number(rectangle, 6, 2);
      ASSERT_LE(Number(rectangle, 0, 2) + width, client.width);
      ASSERT_LE(Number(rectangle, 2, 2) + height, client.height);
      client.Read(width * height * bytes_of_pixel);
      if (Number(rectangle, 2, 2) == 0) row += width;
    }
    EXPECT_EQ(row, client.width);
  }
};

class WrongPixelFormat : public PixelFormat, public testing::WithParamInterface<Format> {};

TEST_P(WrongPixelFormat, EndsTheConnectionAndTheNextClientIsServed) {
  VncClient client(Socket());
  client.Send(SetEncodings({0}) + SetPixelFormat(GetParam()) + RequestRow(client.width));
  EXPECT_TRUE(client.IsClosed());
  ExpectAlive();
  VncClient next(Socket());
  next.Send(SetEncodings({0}) + SetPixelFormat({"", 32, 24, 255, 255, 255, 16, 8, 0}));
  ExpectRow(next, 4);
}

INSTANTIATE_TEST_SUITE_P(
    With, WrongPixelFormat,
    testing::Values(Format{"Shift255", 32, 24, 1, 255, 255, 255, 255, 255},
                    Format{"ShiftBehindThePixel", 16, 16, 1, 1, 1, 40, 40, 40},
                    Format{"BlueBehindThePixel", 8, 8, 7, 7, 3, 0, 3, 7},
                    Format{"MoreBitsThanThePixel", 8, 8, 65535, 65535, 65535, 0, 0, 0},
                    Format{"MaximumWithAGap", 32, 24, 254, 255, 255, 16, 8, 0}),
    [](const auto& format) { return std::string(format.param.name); });

TEST_F(PixelFormat, OfEachUsualSizeIsServed) {
  for (const Format& format :
       {Format{"rgb888", 32, 24, 255, 255, 255, 16, 8, 0},
        Format{"bgr888", 32, 24, 255, 255, 255, 0, 8, 16},
        Format{"rgb101010", 32, 30, 1023, 1023, 1023, 20, 10, 0},
        Format{"rgb565", 16, 16, 31, 63, 31, 11, 5, 0}, Format{"rgb332", 8, 8, 7, 7, 3, 5, 2, 0}}) {
    SCOPED_TRACE(format.name);
    VncClient client(Socket());
    client.Send(SetEncodings({0}) + SetPixelFormat(format));
    ExpectRow(client, format.bits / 8);
  }
}

class Clipboard : public VncFaults {
 protected:
  static constexpr uint32_t kExtended = 0xc0a1e5ce;
  static constexpr uint32_t kText = 1, kCaps = 1 << 24, kRequest = 1 << 25, kNotify = 1 << 27,
                            kProvide = 1 << 28;

  static void Open(VncClient& client) {
    client.Send(SetEncodings({0, kExtended}));
    ASSERT_TRUE(Flags(Receive(client)) & kCaps);
  }
  static void Send(VncClient& client, uint32_t flags, const std::string& data = "") {
    std::string bytes("\6\0\0\0", 4);
    Big(bytes, static_cast<uint32_t>(-static_cast<int32_t>(4 + data.size())), 4);
    Big(bytes, flags, 4);
    client.Send(bytes + data);
  }
  /// The next message, which must be about the clipboard: its flags and data.
  static std::string Receive(VncClient& client) {
    const std::string head = client.Read(8);
    if (head[0] != 3) throw std::runtime_error("another message");
    return client.Read(static_cast<size_t>(-static_cast<int32_t>(Number(head, 4, 4))));
  }
  static uint32_t Flags(const std::string& message) { return Number(message, 0, 4); }
  /// A zlib stream (RFC 1950) of text, which declares that it is `size` bytes long.
  static std::string Deflated(const std::string& text, size_t size) {
    std::string data;
    Big(data, size, 4);
    data += text;
    std::string stream("\x78\x01\x01", 3);
    for (size_t length : {data.size(), ~data.size()}) {
      stream += static_cast<char>(length);
      stream += static_cast<char>(length >> 8);
    }
    stream += data;
    uint32_t a = 1, b = 0;
    for (char c : data) a = (a + static_cast<uint8_t>(c)) % 65521, b = (b + a) % 65521;
    Big(stream, b << 16 | a, 4);
    return stream;
  }
  /// `from` offers a text and `to` requests it.
  static void Ask(VncClient& from, VncClient& to) {
    Send(from, kNotify | kText);
    ASSERT_EQ(Flags(Receive(to)), kNotify | kText);
    Send(to, kRequest | kText);
    ASSERT_EQ(Flags(Receive(from)), kRequest | kText);
  }
};

TEST_F(Clipboard, TextIsNoLongerThanWhatCame) {
  VncClient from(Socket()), to(Socket());
  Open(from);
  Open(to);
  const std::string text = "what one client copies\n";
  Ask(from, to);
  Send(from, kProvide | kText, Deflated(text, text.size()));
  const std::string right = Receive(to);
  ASSERT_EQ(Flags(right), kProvide | kText);

  for (size_t more : {1, 3}) {
    SCOPED_TRACE(more);
    Ask(from, to);
    Send(from, kProvide | kText, Deflated(text, text.size() + more));
    Send(from, kProvide | kText, Deflated(text, text.size()));
    EXPECT_TRUE(Receive(to) == right) << "bytes that nobody sent";
    if (HasFailure()) return;
  }
  ExpectAlive();
}

struct Display {
  const char* name;
  uint32_t width, height;
};
void PrintTo(const Display& display, std::ostream* out) { *out << display.name; }

/// A display as wide or as high as VNC has any, and a client that takes JPEG.
class Lossy : public VncFaults, public testing::WithParamInterface<Display> {
 protected:
  static constexpr uint32_t kSquare = 64;

  void SetUp() override {
    if (!HasDeviceType("VGA")) GTEST_SKIP() << "$QEMU has no VGA";
    StartMachine({"-device", "VGA,addr=5", "-vnc", "unix:" + Socket().string() + ",lossy=on"});
    frame = bus->Enable(bus->At(5))[0];
    // The attribute controller shows what there is.
    qtest().InB(0x3da);
    qtest().OutB(0x3c0, 0x20);
    // Bochs' display interface: no mode; columns, rows, bits; a mode with a linear frame buffer.
    for (const auto& [index, value] : std::vector<std::pair<uint16_t, uint32_t>>{
             {4, 0}, {1, width}, {2, height}, {3, 32}, {4, 0x41}}) {
      qtest().OutW(0x1ce, index);
      qtest().OutW(0x1cf, static_cast<uint16_t>(value));
    }
  }
  /// Noise in the last square.
  void Change() {
    std::vector<uint32_t> row(kSquare);
    for (uint32_t y = height - kSquare; y < height; ++y) {
      for (uint32_t& pixel : row) pixel = random = random * 1664525 + 1013904223;
      qtest().MemWrite(frame + 4 * (uint64_t{y} * width + width - kSquare), row.data(),
                       4 * kSquare);
    }
  }
  std::string Request(bool incremental) const {
    std::string bytes("\3");
    bytes += static_cast<char>(incremental);
    for (uint32_t value : {0u, 0u, width, height}) Big(bytes, value, 2);
    return bytes;
  }
  /// Changes the last square until it is sent again without another change.
  void WaitForRefresh(VncClient& client) {
    client.Send(SetEncodings({7 /* Tight */, 0xffffffe0 /* the least quality */}) + Request(false));
    client.Drain(Milliseconds(500));
    // As often as it takes a busy machine to change the square eight times in a second.
    const Deadline deadline(Milliseconds(60000));
    for (bool again = false; !again;) {
      ASSERT_FALSE(deadline.Passed()) << "nothing is sent again";
      for (int i = 0; i < 25; ++i) {
        Change();
        client.Send(Request(true));
        client.Drain(Milliseconds(10));
      }
      client.Send(Request(true));
      client.Drain(Milliseconds(300), Milliseconds(300));
      // Two seconds after the last change.
      const std::string update = client.Drain(Milliseconds(300), Milliseconds(4000));
      again = update.size() > 16 && Number(update, 4, 2) == width - kSquare &&
              Number(update, 6, 2) == height - kSquare;
    }
  }

  const uint32_t width = GetParam().width, height = GetParam().height;
  uint64_t frame = 0;
  uint32_t random = 1;
};

TEST_P(Lossy, AtTheEdgeIsSentAgainWithoutLoss) {
  // The first client makes QEMU look at the mode.
  for (const Deadline deadline(kTimeout); VncClient(Socket()).width != width;)
    ASSERT_FALSE(deadline.Passed()) << "the display has another size";
  {
    VncClient client(Socket());
    ASSERT_EQ(client.height, height);
    WaitForRefresh(client);
  }
  // What belongs to a client is freed when it goes.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(VncClient(Socket()).width, width);
  ExpectAlive();
}

INSTANTIATE_TEST_SUITE_P(Of, Lossy,
                         testing::Values(Display{"TheLastRow", 64, 2048},
                                         Display{"TheLastColumn", 2560, 64}),
                         [](const auto& display) { return std::string(display.param.name); });

}  // namespace
}  // namespace stx
