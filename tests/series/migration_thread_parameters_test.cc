// SPDX-License-Identifier: GPL-2.0-or-later
// patches/wro/migration-thread-placement.patch, its interface: which values the parameters accept,
// how they read back, and the old commands, which set them as well.

#include <gtest/gtest.h>

#include "harness/qemu/qemu.h"

namespace stx {
namespace {

class MigrationThreadParameters : public testing::Test {
 protected:
  static std::unique_ptr<Qemu> Start(std::vector<std::string> more = {}) {
    QemuOptions options;
    options.args = {"-machine", "none", "-nodefaults", "-display", "none"};
    options.args.insert(options.args.end(), more.begin(), more.end());
    return std::make_unique<Qemu>(std::move(options));
  }
  Qmp& qmp() { return qemu_->qmp(); }
  json Read(const char* name) { return qmp().Execute("query-migrate-parameters")[name]; }
  void Set(const char* name, const json& value) {
    qmp().Execute("migrate-set-parameters", {{name, value}});
  }
  std::string ErrorOf(const std::string& command, const json& arguments) {
    try {
      qmp().Execute(command, arguments);
      return "";
    } catch (const QmpError& error) {
      return error.desc();
    }
  }

  std::unique_ptr<Qemu> qemu_ = Start();
};

TEST_F(MigrationThreadParameters, AskForNothingByDefault) {
  EXPECT_EQ(Read("thread-cpus"), "all");
  EXPECT_EQ(Read("thread-priority"), 0);
  EXPECT_EQ(Read("thread-context"), "");
}

TEST_F(MigrationThreadParameters, ReadBackWhatWasSetAndCanBeTakenBack) {
  for (const char* cpus : {"0", "0-3,70,128", "5-5", "65535", "all"}) {
    Set("thread-cpus", cpus);
    EXPECT_EQ(Read("thread-cpus"), cpus);
  }
  for (int priority : {1, 99, 0}) {
    Set("thread-priority", priority);
    EXPECT_EQ(Read("thread-priority"), priority);
  }
  qmp().Execute("object-add", {{"qom-type", "thread-context"}, {"id", "tc"}});
  for (const char* context : {"tc", ""}) {
    Set("thread-context", context);
    EXPECT_EQ(Read("thread-context"), context);
  }
}

TEST_F(MigrationThreadParameters, WrongValuesAreErrorsThatNameTheParameterAndChangeNothing) {
  Set("thread-cpus", "1");
  Set("thread-priority", 5);
  for (const char* cpus : {"", " ", "none", "0,", ",0", "0,,1", "3-1", "1-", "-1", "0--3", "1 2",
                           "0x3", "65536", "0-65536", "18446744073709551616", "0-3 "}) {
    EXPECT_NE(ErrorOf("migrate-set-parameters", {{"thread-cpus", cpus}}).find("'thread-cpus'"),
              std::string::npos)
        << "'" << cpus << "'";
  }
  for (int priority : {-1, 100, 255, 256, 266})
    EXPECT_NE(ErrorOf("migrate-set-parameters", {{"thread-priority", priority}})
                  .find("'thread-priority'"),
              std::string::npos)
        << priority;
  for (const char* context : {"no-such", "/objects", "/machine"})
    EXPECT_NE(
        ErrorOf("migrate-set-parameters", {{"thread-context", context}}).find("'thread-context'"),
        std::string::npos)
        << context;
  EXPECT_EQ(Read("thread-cpus"), "1");
  EXPECT_EQ(Read("thread-priority"), 5);
  EXPECT_EQ(Read("thread-context"), "");
}

TEST_F(MigrationThreadParameters, CanBeSetAndSeenOverHmp) {
  EXPECT_EQ(qmp().Hmp("migrate_set_parameter thread-cpus 0-3,70"), "");
  EXPECT_EQ(qmp().Hmp("migrate_set_parameter thread-priority 9"), "");
  const std::string shown = qmp().Hmp("info migrate_parameters");
  EXPECT_NE(shown.find("thread-cpus: 0-3,70\r\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("thread-priority: 9\r\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("thread-context: ''\r\n"), std::string::npos) << shown;
  EXPECT_NE(qmp().Hmp("migrate_set_parameter thread-priority 100"), "");
  EXPECT_NE(qmp().Hmp("migrate_set_parameter thread-cpus \"\""), "");
}

TEST_F(MigrationThreadParameters, CanBeGivenAtTheStart) {
  qemu_ = Start({"-global", "migration.thread-cpus=2-3", "-global", "migration.thread-priority=4"});
  EXPECT_EQ(Read("thread-cpus"), "2-3");
  EXPECT_EQ(Read("thread-priority"), 4);
  RunResult result = RunQemu({"-machine", "none", "-nodefaults", "-display", "none", "-global",
                              "migration.thread-cpus=3-1"},
                             Milliseconds(5000));
  EXPECT_EQ(result.status.code, 1);
}

TEST_F(MigrationThreadParameters, TheOldQmpMaskIsScaledAndSetsTheList) {
  for (auto [value, list] : {std::pair<int64_t, const char*>{3ll << 20, "0-1"},
                             {0xbll << 20, "0-1,3"},
                             {1ll << 62, "42"}}) {
    qmp().Execute("migrate-set-thread-cpumask", {{"value", value}});
    EXPECT_EQ(Read("thread-cpus"), list);
  }
}

TEST_F(MigrationThreadParameters, AnOldQmpMaskThatIsNotScaledIsAnErrorThatNamesTheParameter) {
  Set("thread-cpus", "1");
  for (int64_t value :
       {0ll, 1ll, 3ll, (1ll << 20) - 1, -1ll, -(3ll << 20), 0xffffffffll, (1ll << 20) + 5})
    EXPECT_NE(ErrorOf("migrate-set-thread-cpumask", {{"value", value}}).find("'thread-cpus'"),
              std::string::npos)
        << value;
  EXPECT_EQ(Read("thread-cpus"), "1");
}

TEST_F(MigrationThreadParameters, TheOldHmpMaskIsPlainInBothSpellings) {
  EXPECT_EQ(qmp().Hmp("migrate_set_thread_cpumask 3"), "");
  EXPECT_EQ(Read("thread-cpus"), "0-1");
  EXPECT_EQ(qmp().Hmp("migrate-set-thread-cpumask 0x8000000000000000"), "");
  EXPECT_EQ(Read("thread-cpus"), "63");
  EXPECT_NE(qmp().Hmp("migrate_set_thread_cpumask 0"), "");
  EXPECT_EQ(Read("thread-cpus"), "63");
}

TEST_F(MigrationThreadParameters, TheOldPrioritySetsThePriority) {
  qmp().Execute("migrate-set-thread-priority", {{"value", 99}});
  EXPECT_EQ(Read("thread-priority"), 99);
  EXPECT_EQ(qmp().Hmp("migrate_set_thread_priority 5"), "");
  EXPECT_EQ(Read("thread-priority"), 5);
  EXPECT_EQ(qmp().Hmp("migrate-set-thread-priority 6"), "");
  EXPECT_EQ(Read("thread-priority"), 6);
  for (int64_t value : {-1ll, 100ll, 256ll, 1ll << 32})
    EXPECT_NE(ErrorOf("migrate-set-thread-priority", {{"value", value}}), "") << value;
  EXPECT_NE(qmp().Hmp("migrate_set_thread_priority 256"), "");
  EXPECT_EQ(Read("thread-priority"), 6);
}

TEST_F(MigrationThreadParameters, TheOldCommandsAreDeprecated) {
  qemu_ = Start({"-compat", "deprecated-input=reject"});
  for (const char* command : {"migrate-set-thread-cpumask", "migrate-set-thread-priority"})
    EXPECT_NE(ErrorOf(command, {{"value", 3 << 20}}).find("disabled by policy"), std::string::npos)
        << command;
}

TEST_F(MigrationThreadParameters, AContextTakesPrioritiesFrom1To99) {
  for (int priority : {0, 100})
    EXPECT_NE(ErrorOf("object-add",
                      {{"qom-type", "thread-context"}, {"id", "tc"}, {"sched-priority", priority}}),
              "")
        << priority;
}

}  // namespace
}  // namespace stx
