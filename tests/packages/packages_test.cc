// SPDX-License-Identifier: GPL-2.0-or-later
// The packages in a Debian system of $RELEASE (bullseye, bookworm or trixie): installed over
// Debian's, downgraded again, next to Debian's other packages, and removed. $PACKAGES is their
// folder, with an index (scripts/step/try makes it); $REPOSITORY is the folder of debian/ and
// docs/.
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <sstream>

#include "base/process.h"
#include "packages/root.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

const std::string kQemu =
    "qemu-system-x86 qemu-system-common qemu-system-data qemu-block-extra qemu-utils "
    "qemu-guest-agent";

bool OnDebian11() { return EnvOr("RELEASE", "bookworm") == "bullseye"; }
bool OnDebian13() { return EnvOr("RELEASE", "bookworm") == "trixie"; }

/// Debian's packages that ours replace or make go away.
std::string OnlyDebians() {
  return OnDebian13() ? "qemu-system-gui qemu-system-modules-spice" : "qemu-system-gui";
}

/// The version of our packages.
std::string Ours() {
  for (const auto& entry : fs::directory_iterator(EnvOr("PACKAGES", "."))) {
    if (!entry.path().filename().string().starts_with("qemu-kata_")) continue;
    std::string version =
        stx::Run({"dpkg-deb", "-f", entry.path().string(), "Version"}, Milliseconds(5000)).out;
    return version.substr(0, version.find('\n'));
  }
  throw std::runtime_error("no package qemu-kata in " + EnvOr("PACKAGES", "."));
}

std::string Base() { return Ours().substr(0, Ours().find("+stx")); }

/// The version of Debian's next point release.
std::string Next() {
  const size_t number = Base().rfind('u') + 1;
  return Base().substr(0, number) + std::to_string(std::stoi(Base().substr(number)) + 1);
}

/// " NAME=VERSION" for each of `names`.
std::string At(const std::string& version, const std::string& names) {
  std::istringstream words(names);
  std::string all;
  for (std::string name; words >> name;) all += " " + name + "=" + version;
  return all;
}

/// What libvirt reports about the host's QEMU: one document per question, as lines.
using Documents = std::map<std::string, std::multiset<std::string>>;
Documents Capabilities(const Root& root) {
  root.Shell(R"sh(
rm -rf /var/cache/libvirt/qemu/capabilities /tmp/caps
mkdir -p /run/libvirt /tmp/caps
virtlogd -d
libvirtd -d
for i in $(seq 100); do virsh -q -c qemu:///system version >/dev/null 2>&1 && break; sleep 0.2; done
virsh -q -c qemu:///system capabilities >/tmp/caps/capabilities
for machine in pc q35 microvm pc-i440fx-5.2 pc-q35-5.2; do
  virsh -q -c qemu:///system domcapabilities --virttype qemu --arch x86_64 --machine $machine >/tmp/caps/$machine
done
virsh -q -c qemu:///system domcapabilities --virttype qemu --arch i686 --machine pc >/tmp/caps/i686)sh");
  Documents documents;
  for (const auto& entry : fs::directory_iterator(root / "tmp/caps")) {
    std::istringstream text(ReadFile(entry.path()));
    auto& lines = documents[entry.path().filename().string()];
    // These describe the host and not QEMU: they are generated at each start, or depend on free
    // memory.
    auto of_host = [](const std::string& line) {
      for (const char* element : {"<uuid>", "<memory unit=", "<pages unit="})
        if (line.find(element) != std::string::npos) return true;
      return false;
    };
    for (std::string line; std::getline(text, line);)
      if (!of_host(line))
        lines.insert(line.substr(std::min(line.find_first_not_of(' '), line.size())));
  }
  return documents;
}

/// "-LINE" for each line that is only in `a`, "+LINE" for each that is only in `b`.
std::set<std::string> Differences(const std::multiset<std::string>& a,
                                  const std::multiset<std::string>& b) {
  std::set<std::string> lines;
  for (const std::string& line : a)
    if (a.count(line) > b.count(line)) lines.insert("-" + line);
  for (const std::string& line : b)
    if (b.count(line) > a.count(line)) lines.insert("+" + line);
  return lines;
}

/// "PACKAGE PATH" for each file and link in the packages.
std::set<std::string> Files(const Root& root) {
  std::istringstream lines(root.Shell("for package in " + kQemu + R"sh(; do
  dpkg -L $package | while read -r file; do
    if [ -L "$file" ] || [ ! -d "$file" ]; then echo "$package $file"; fi
  done
done)sh")
                               .out);
  std::set<std::string> files;
  for (std::string line; std::getline(lines, line);) files.insert(line);
  return files;
}

std::string Document(const std::string& path) {
  return ReadFile(fs::path(EnvOr("REPOSITORY", ".")) / path);
}

/// The patterns of debian/files.md, the first cell of each row, by the table's heading: without one
/// for files of Debian 12, and those that only another Debian has.
std::map<std::string, std::vector<std::string>> ReadFilesWithAReason() {
  std::istringstream text(Document("debian/files.md"));
  std::map<std::string, std::vector<std::string>> files;
  std::string heading;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("## ")) heading = line.substr(3);
    if (line.starts_with("| `")) files[heading].push_back(line.substr(3, line.find('`', 3) - 3));
  }
  return files;
}

/// The indented block of docs/install.md that begins with `first`.
std::string FromManual(const std::string& first) {
  const std::string text = Document("docs/install.md");
  std::istringstream lines(text.substr(text.find("    " + first)));
  std::string block;
  for (std::string line; std::getline(lines, line) && line.starts_with("    ");)
    block += line.substr(4) + "\n";
  return block;
}

/// Each of Debian's files is among ours, or a row of debian/files.md explains why not; and every
/// row of this Debian's table has a file.
void CompareFiles(const std::set<std::string>& debians, const std::set<std::string>& ours) {
  auto reasons = ReadFilesWithAReason();
  const std::vector<std::string> here = reasons[OnDebian11()   ? "Debian 11"
                                                : OnDebian13() ? "Debian 13"
                                                               : ""];
  std::vector<std::string> patterns = reasons[""];
  patterns.insert(patterns.end(), here.begin(), here.end());
  std::set<std::string> used;
  for (const std::string& file : debians) {
    if (ours.count(file)) continue;
    const std::string path = file.substr(file.find(' ') + 1);
    bool told = false;
    for (const std::string& pattern : patterns) {
      if (fnmatch(pattern.c_str(), path.c_str(), 0) != 0) continue;
      told = true;
      used.insert(pattern);
    }
    EXPECT_TRUE(told) << file << ": not in ours, and debian/files.md does not say why";
  }
  for (const std::string& pattern : here)
    EXPECT_TRUE(used.count(pattern)) << "debian/files.md: " << pattern << ": Debian's is in ours";
}

void CompareCapabilities(const Documents& debians, const Documents& ours) {
  // docs/install.md, "What is different".
  const std::set<std::string> documented = {"-<value>sdl</value>", "-<value>egl-headless</value>",
                                            "-<value>dbus</value>"};
  // The same page, "Debian 11": what QEMU 7.2 has no more, `pc` and `q35` as names of its newest
  // machines, and what 5.2 had to take from the host's CPU when it runs without KVM.
  const std::set<std::string> since_debian11 = {
      "-<machine maxCpus='255'>pc-1.0</machine>",
      "-<machine maxCpus='255'>pc-1.1</machine>",
      "-<machine maxCpus='255'>pc-1.2</machine>",
      "-<machine maxCpus='255'>pc-1.3</machine>",
      "-<machine maxCpus='128'>xenfv-4.2</machine>",
      "-<machine maxCpus='128'>xenfv-3.1</machine>",
      "-<machine canonical='xenfv-3.1' maxCpus='128'>xenfv</machine>",
      "-<machine maxCpus='1'>xenpv</machine>",
      "-<machine canonical='pc-q35-5.2' maxCpus='288'>q35</machine>",
      "-<machine canonical='pc-i440fx-5.2' maxCpus='255'>pc</machine>",
      "-<machine>pc-q35-5.2</machine>",
      "-<machine>pc-i440fx-5.2</machine>",
      "-<model usable='no'>Icelake-Client</model>",
      "-<model usable='no'>Icelake-Client-noTSX</model>",
      "-<feature policy='disable' name='avx'/>",
      "-<feature policy='disable' name='avx2'/>",
      "-<feature policy='disable' name='f16c'/>",
      "-<feature policy='disable' name='fma'/>"};
  ASSERT_EQ(debians.size(), 7u);
  ASSERT_EQ(ours.size(), 7u);
  for (const auto& [name, lines] : debians) {
    ASSERT_GT(lines.size(), 100u) << name << ": libvirt prints nothing";
    const auto differences = Differences(lines, ours.at(name));
    if (OnDebian11()) {
      // A newer QEMU than Debian 11's adds lines; what it takes away is documented.
      for (const std::string& line : differences)
        EXPECT_TRUE(line.starts_with("+") || documented.count(line) || since_debian11.count(line))
            << name << ": " << line;
    } else if (name == "capabilities") {
      EXPECT_EQ(differences, std::set<std::string>()) << name;
    } else {
      EXPECT_EQ(differences, documented) << name;
    }
  }
}

class Packages : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "a root file system needs root";
    if (EnvOr("PACKAGES", "").empty()) GTEST_SKIP() << "$PACKAGES names no folder with packages";
  }
  /// A host with Debian's QEMU and libvirt.
  static void Host(Root& root) {
    root.Shell(
        "apt-get -q -y install --no-install-recommends libvirt-daemon-system libvirt-clients " +
        OnlyDebians() + " " + kQemu);
  }
};

TEST_F(Packages, SortBetweenTheBaseAndTheNextPointRelease) {
  auto less = [](const std::string& a, const std::string& b) {
    return stx::Run({"dpkg", "--compare-versions", a, "lt", b}, Milliseconds(5000))
        .status.Success();
  };
  EXPECT_TRUE(less(Base(), Ours()));
  EXPECT_TRUE(less(Base() + "+b99", Ours()));
  EXPECT_TRUE(less(Ours(), Next())) << Next();
  // A host that is upgraded from Debian 11 gets the packages for 12.
  EXPECT_TRUE(!OnDebian11() || less(Ours(), Base() + "+stx1")) << Ours();
}

TEST_F(Packages, GoOverDebiansAndBackUnderLibvirt) {
  Root root("host", Host);
  const auto installed = [&] {
    return root.Shell("dpkg-query -W -f ' ${Package}=${Version}' " + OnlyDebians() + " " + kQemu)
        .out;
  };
  root.Shell("echo '# edited by the operator' >>/etc/qemu-ifup");
  const std::string debians = installed();
  const auto files = Files(root);
  const auto unowned = root.Unowned();
  const Documents capabilities = Capabilities(root);

  root.AddArchive(EnvOr("PACKAGES", ""));
  // Debian 11's /etc/qemu-ifup is not Debian 12's, so that dpkg would ask about an edited one.
  const std::string install = std::string("apt-get -q -y install --no-install-recommends") +
                              (OnDebian11() ? " -o Dpkg::Options::=--force-confold" : "");
  root.Shell("apt-get -q update && " + install + At(Ours(), kQemu));
  EXPECT_EQ(root.Packages("qemu-system-gui"), "") << "it has nothing to display with ours";
  EXPECT_NE(root.Shell("qemu-system-x86_64 --version").out.find("stx-qemu " + Ours()),
            std::string::npos);
  EXPECT_EQ(root.Shell("tail -n1 /etc/qemu-ifup").out, "# edited by the operator\n");
  CompareFiles(files, Files(root));
  CompareCapabilities(capabilities, Capabilities(root));

  root.Shell(install + " --allow-downgrades" + debians);
  EXPECT_EQ(installed(), debians);
  for (const auto& [name, lines] : Capabilities(root))
    EXPECT_EQ(Differences(capabilities.at(name), lines), std::set<std::string>()) << name;
  EXPECT_EQ(Files(root), files);
  // Only the file that the operator edited differs from Debian's packages, and nothing of ours is
  // left.
  EXPECT_EQ(root.Shell("dpkg -V " + kQemu + " || true").out, "??5?????? c /etc/qemu-ifup\n");
  for (const auto& [name, content] : root.Unowned()) {
    if (name.find("qemu") == std::string::npos) continue;
    // Where the version of the edited conffile that is not in use differs, dpkg puts it beside it.
    if (OnDebian11() && name == "/etc/qemu-ifup.dpkg-dist") continue;
    EXPECT_TRUE(unowned.count(name)) << "left: " << name;
  }
}

TEST_F(Packages, PurgedTheyLeaveNothing) {
  Root root("minbase", [](Root&) {});
  root.AddArchive(EnvOr("PACKAGES", ""));
  root.Shell("apt-get -q update");
  const auto before = root.Unowned();
  root.Shell("apt-get -q -y install --no-install-recommends qemu-kata " + kQemu);
  root.Shell(
      "qemu-system-x86_64-kata -machine q35,accel=tcg -S -nodefaults -display none -daemonize "
      "-pidfile /tmp/pid && kill $(cat /tmp/pid)");
  // An upgrade leaves modules there.
  root.Shell("mkdir -p /run/qemu && apt-get -q -y install --reinstall qemu-block-extra");
  EXPECT_EQ(
      root.Shell("ls /run/qemu/*/block-rbd.so").out, "/run/qemu/stx-qemu_" + [] {
        std::string name = Ours();
        std::replace(name.begin(), name.end(), ':', '_');
        return name;
      }() + "/block-rbd.so\n");
  root.Shell("apt-get -q -y purge --auto-remove qemu-kata " + kQemu);
  EXPECT_EQ(root.Packages("qemu*"), "");
  for (const auto& [name, content] : root.Unowned())
    EXPECT_TRUE(before.count(name)) << "left: " << name << " " << content;
  EXPECT_EQ(root.Shell("find / -xdev -name '*qemu*' -not -path '/proc/*' -not -path '/sys/*' "
                       "-not -path '/debs/*' -not -path '/var/lib/apt/*' -not -path '/var/cache/*' "
                       "-not -path '/tmp/*'")
                .out,
            "");
}

TEST_F(Packages, AnUpgradeNeverMixesWithDebiansOtherTargets) {
  Root root("foreign", [](Root& fresh) {
    fresh.Shell("apt-get -q -y install --no-install-recommends qemu-system-x86 qemu-system-arm");
  });
  root.AddArchive(EnvOr("PACKAGES", ""));
  // A plain upgrade removes nothing: everything stays as it is.
  std::string plan = root.Shell("apt-get -q update >/dev/null; apt-get -s upgrade").out;
  EXPECT_EQ(plan.find("Inst qemu"), std::string::npos) << plan;
  // If asked explicitly, apt reports what has to be removed.
  plan = root.Shell("apt-get -s install --no-install-recommends" +
                    At(Ours(), "qemu-system-x86 qemu-system-common qemu-system-data"))
             .out;
  EXPECT_NE(plan.find("Remv qemu-system-arm"), std::string::npos) << plan;
  EXPECT_NE(plan.find("Inst qemu-system-x86"), std::string::npos) << plan;
}

TEST_F(Packages, ThePinOfTheManualKeepsOurs) {
  Root root("minbase", [](Root&) {});
  root.AddArchive(EnvOr("PACKAGES", ""));
  // Debian's next point release, with as much as apt looks at.
  WriteFile(root / "control", "Package: qemu-utils\nSource: qemu\nVersion: " + Next() +
                                  "\nArchitecture: amd64\nMaintainer: T <t@localhost>\n"
                                  "Description: next\n");
  root.Shell(R"sh(
mkdir -p /next/package/DEBIAN
cd /next
mv /control package/DEBIAN/
dpkg-deb -b package next.deb
{ cat package/DEBIAN/control; printf 'Filename: ./next.deb\nSize: %s\nSHA256: %s\n' \
  $(stat -c %s next.deb) $(sha256sum <next.deb | cut -c1-64); } >Packages
echo 'deb [trusted=yes] file:/next ./' >/etc/apt/sources.list.d/next.list
apt-get -q update)sh");
  auto candidate = [&] {
    return root.Shell("apt-cache policy qemu-utils | sed -n 's/ *Candidate: //p'").out;
  };
  EXPECT_EQ(candidate(), Next() + "\n");
  WriteFile(root / "etc/apt/preferences.d/stx-qemu", FromManual("Package: src:qemu"));
  EXPECT_EQ(candidate(), Ours() + "\n");
}

}  // namespace
}  // namespace stx
