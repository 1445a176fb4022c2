// SPDX-License-Identifier: GPL-2.0-or-later
// Monitor clients that do not send valid QMP. Each gets an error or is disconnected, and the next
// one is served.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>
#include <random>

#include "base/waiting.h"
#include "harness/host/memory_map.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

class HostileQmp : public testing::Test {
 protected:
  void SetUp() override {
    QemuOptions options;
    options.args = {"-machine", "none", "-nodefaults", "-nographic"};
    qemu.emplace(std::move(options));
    ExpectServesTheNextClient();
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << qemu->Report().substr(0, 4000) << "\n";
  }
  /// A connection that has read the greeting and negotiated.
  UniqueFd Connect(bool capabilities = true) {
    qemu->CloseQmp();
    UniqueFd fd = ConnectUnix(qemu->qmp_socket(), Deadline(Milliseconds(10000)));
    // A monitor that has stopped reading blocks its client.
    const timeval timeout{3, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    EXPECT_NE(ReadLine(fd).find("\"QMP\""), std::string::npos);
    if (capabilities) {
      WriteAll(fd.get(), "{\"execute\":\"qmp_capabilities\"}\n");
      EXPECT_NE(ReadLine(fd).find("return"), std::string::npos);
    }
    return fd;
  }
  static std::string ReadLine(const UniqueFd& fd) {
    std::string line;
    for (char c;
         WaitFor(fd.get(), POLLIN, Deadline(Milliseconds(20000))) && read(fd.get(), &c, 1) == 1;) {
      if (c == '\n') return line;
      line += c;
    }
    return line + " ... and no end";
  }
  void ExpectServesTheNextClient() {
    EXPECT_EQ(qemu->qmp().Execute("query-status")["status"], "running") << qemu->Report();
    qemu->CloseQmp();
  }
  /// Sends as much as the socket accepts. A monitor that stops reading is not a failure.
  static void Send(const UniqueFd& fd, const std::string& bytes) {
    try {
      WriteAll(fd.get(), bytes);
    } catch (const std::system_error& error) {
      EXPECT_TRUE(error.code() == std::errc::broken_pipe ||
                  error.code() == std::errc::connection_reset ||
                  error.code() == std::errc::resource_unavailable_try_again)
          << error.what();
    }
  }

  std::optional<Qemu> qemu;
};

struct Input {
  const char* name;
  std::string bytes;
  const char* says;  ///< contained in the answer; null if there is none
};
void PrintTo(const Input& input, std::ostream* out) { *out << input.name; }

std::string Binary(unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(100000, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}
std::string Repeat(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

class HostileQmpInput : public HostileQmp, public testing::WithParamInterface<Input> {};

TEST_P(HostileQmpInput, IsAnErrorAndNoMore) {
  Covers({"2.1 errors", "2.1 reconnect"});
  {
    UniqueFd fd = Connect();
    Send(fd, GetParam().bytes);
    if (GetParam().says) {
      const std::string answer = ReadLine(fd);
      EXPECT_NE(answer.find("\"error\""), std::string::npos) << answer;
      EXPECT_NE(answer.find(GetParam().says), std::string::npos) << answer;
    }
  }
  ExpectServesTheNextClient();
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, HostileQmpInput,
    testing::Values(
        Input{"Truncated", "{\"execute\":\"query-sta", nullptr},
        Input{"TruncatedInText", "{\"execute\":\"query", nullptr},
        Input{"NoJson", "GET / HTTP/1.1\r\n\r\n", "JSON parse error"},
        Input{"Unbalanced", "}}}}]]]]\n", "JSON parse error"},
        Input{"ControlCharacters", std::string("\1\2\3\n", 4), "JSON parse error"},
        Input{"BinaryOne", Binary(1), "JSON parse error"},
        Input{"BinaryTwo", Binary(2), "JSON parse error"},
        Input{"InvalidUtf8", "{\"execute\":\"\xc3\x28\xff\"}\n", "JSON parse error"},
        Input{"NulInText", std::string("{\"execute\":\"a\0b\"}\n", 18), "JSON parse error"},
        Input{"NestedTooDeep", Repeat("[", 100000), "nesting"},
        Input{"NestedObjects", Repeat("{\"a\":", 100000), "nesting"},
        Input{"NoObject", "[1,2,3]\n", "must be a JSON object"},
        Input{"NoExecute", "{}\n", "lacks member 'execute'"},
        Input{"ExecuteIsANumber", "{\"execute\":7}\n", "must be a string"},
        Input{"UnknownMember", "{\"execute\":\"stop\",\"x\":1}\n", "is unexpected"},
        Input{"UnknownCommand", "{\"execute\":\"no-such-command\"}\n", "CommandNotFound"},
        Input{"ArgumentsAreText", "{\"execute\":\"stop\",\"arguments\":\"x\"}\n",
              "must be an object"},
        Input{"UnknownArgument", "{\"execute\":\"stop\",\"arguments\":{\"x\":1}}\n",
              "is unexpected"},
        Input{"HugeNumber",
              "{\"execute\":\"migrate_cancel\",\"arguments\":{\"x\":1" + std::string(5000, '0') +
                  "}}\n",
              "unexpected"},
        Input{"LongText", "{\"execute\":\"" + std::string(60000, 'a') + "\"}\n",
              "CommandNotFound"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(HostileQmp, CommandsBeforeCapabilitiesAreRefused) {
  {
    UniqueFd fd = Connect(false);
    Send(fd, "{\"execute\":\"query-status\"}\n");
    EXPECT_NE(ReadLine(fd).find("Expecting capabilities negotiation"), std::string::npos);
  }
  ExpectServesTheNextClient();
}

TEST_F(HostileQmp, AClientThatNeverReadsDoesNotFillTheMemory) {
  const uint64_t before = ReadStatusSize(qemu->process().pid(), "VmRSS");
  {
    UniqueFd fd = Connect();
    Send(fd, Repeat("{\"execute\":\"query-commands\"}\n", 3000));
    // A sanitizer keeps freed memory.
    const uint64_t allowed = IsSanitized() ? uint64_t{1} << 30 : 128 << 20;
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(500)), [&] {
      return ReadStatusSize(qemu->process().pid(), "VmRSS") >= before + allowed;
    }));
  }
  // The reply to a command that is in progress when its client hangs up goes to the next client,
  // which may therefore have to try twice.
  EXPECT_TRUE(HoldsBefore(Deadline(Milliseconds(10000)), [&] {
    bool served = false;
    try {
      served = qemu->qmp().Execute("query-status").value("status", "") == "running";
    } catch (const std::runtime_error&) {
      // The next client may be served.
    }
    qemu->CloseQmp();
    return served;
  })) << qemu->Report();
}

TEST_F(HostileQmp, AHundredClientsThatHangUpAtOnce) {
  for (int i = 0; i < 100; ++i) {
    UniqueFd fd = ConnectUnix(qemu->qmp_socket(), Deadline(Milliseconds(5000)));
    if (i % 2) Send(fd, "{\"execute\":");
  }
  ExpectServesTheNextClient();
}

TEST_F(HostileQmp, RequestsInOnePieceAreAllAnswered) {
  {
    UniqueFd fd = Connect();
    constexpr int kRequests = 2000;
    Send(fd, Repeat("{\"execute\":\"query-status\"}\n", 500));
    for (int i = 0; i < kRequests; ++i) {
      ASSERT_NE(ReadLine(fd).find("running"), std::string::npos) << i;
      if (i < kRequests - 500) Send(fd, "{\"execute\":\"query-status\"}\n");
    }
  }
  ExpectServesTheNextClient();
}

}  // namespace
}  // namespace stx
