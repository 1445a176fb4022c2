# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by every script: paths, messages, and what keeps steps atomic.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/cache
build=$root/build
steps=$root/scripts/step

say() { printf '== %s\n' "$*" >&2; }
# Exit codes of every tool: 0 for success, 1 if it failed or needs a person, 2 for bad input.
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
bad_input() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 2; }
# No script ends without a message. A step that failed has already printed its own.
trap 'code=$?; [[ $BASH_COMMAND == \"\$steps/* ]] && exit $((code == 2 ? 2 : 1)); die "line $LINENO: $BASH_COMMAND: failed"' ERR

# No step has options. The comment at its beginning is its help.
if [[ ${0%/*} -ef $steps && ${1:-} == -* ]]; then
  [[ $1 == -h || $1 == --help ]] || bad_input "there is no option $1 (see ${0##*/} --help)"
  sed -n '3,${/^#/!q;s/^# \{0,1\}//p}' "$0"
  exit 0
fi

# One at a time: two scripts that make the same thing would destroy each other's work.
lock() {
  mkdir -p "$build"
  exec {lock_fd}>"$build/.lock-$1"
  flock -n "$lock_fd" || { say "waiting for another $1 step"; flock "$lock_fd"; }
}

# A stamp is a file with the hash of the inputs with which a step last completed.
fresh() { [ -f "$1" ] && [ "$(<"$1")" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"; }
hash_of() { sha256sum | cut -c1-16; }

# quietly COMMAND...: runs it. If it fails, $said is the end of its output, kept in memory because the disk may be full.
quietly() {
  said=$("$@" 2>&1 | tail -n 40) && return
  [ "$(df --output=avail -k "$root" | tail -n1)" -gt 16384 ] || said="No space left on device (below 16 MiB)
$said"
  return 1
}
# The lines of $said that explain the failure.
why() { printf '%s\n' "$said" | grep -m3 -E '^E:|No space left' || printf '%s\n' "$said" | tail -n3; }

# first_errors LOG: prints the first failures in ninja's log, or the end of the log if it has no such line.
first_errors() {
  local errors
  errors=$(grep -m3 -A12 '^FAILED' "$1" || tail -n 15 "$1")
  printf '%s\n' "$errors" >&2
}

# lend_firmware ROOT: a QEMU that is not installed looks for firmware only in a folder of its own (ROOT/usr; in a build,
# ROOT is qemu-bundle). This puts links to the machine's firmware there.
lend_firmware() {
  local bundle=$1 file
  [ ! -e "$bundle/usr/share/seabios" ] && [ -d "$bundle" ] || return 0
  mkdir -p "$bundle/usr/share/qemu" "$bundle/usr/lib/ipxe"
  for file in /usr/share/qemu/*; do
    [ -e "$bundle$file" ] || ln -sf "$file" "$bundle$file"
  done
  ln -sf /usr/lib/ipxe/qemu "$bundle/usr/lib/ipxe/qemu"
  ln -sf /usr/share/seabios "$bundle/usr/share/seabios"
}

# base_value KEY: a value of base.toml's [base]; base_artifacts: "name sha256" lines.
base_value() { sed -n "s/^$1 = \"\(.*\)\"$/\1/p" "$root/qemu-7.2/base.toml" | head -n1; }
base_artifacts() {
  sed -n '/^\[\[artifact\]\]/,$p' "$root/qemu-7.2/base.toml" |
    sed -n 's/^name = "\(.*\)"$/\1/p; s/^sha256 = "\(.*\)"$/\1/p' | paste -d' ' - -
}

# kernel_package META: sets $kernel_package to the linux-image package on which META depends. Call private_apt first.
kernel_package() {
  kernel_package=$(apt-cache "${apt_options[@]}" show "$1" | sed -n 's/^Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n1)
  [ -n "$kernel_package" ] || die "the archive has no $1"
}

# Our own apt: lists, cache and sources are in cache/apt, derived from the machine's sources with deb-src added. The
# machine's own configuration (proxies, keys) is read and never written.
private_apt() {
  local apt=$cache/apt list parts
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
  lock apt
  apt_options=(-q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/sources"
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=
    -o APT::Update::Error-Mode=any)
  mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
  local codename
  codename=$(. /etc/os-release; printf %s "${VERSION_CODENAME:-}")
  : >"$apt/sources/machine.list.new"
  : >"$apt/sources/machine.sources.new"
  local file
  for file in "$list" "$parts"/*.list; do
    [ -f "$file" ] || continue
    sed -nE "s/^deb[[:space:]]+((\[[^]]*\][[:space:]]+)?[^[:space:]]+[[:space:]]+$codename.*)/deb \1\ndeb-src \1/p" \
      "$file" >>"$apt/sources/machine.list.new"
  done
  for file in "$parts"/*.sources; do
    [ -f "$file" ] || continue
    awk -v RS= -v ORS='\n\n' "/(^|\n)Suites:[ \t]*$codename/ && !/(^|\n)Enabled:[ \t]*no/ {
      sub(/(^|\n)Types:[^\n]*/, \"\nTypes: deb deb-src\"); print }" "$file" >>"$apt/sources/machine.sources.new"
  done
  mv "$apt/sources/machine.list.new" "$apt/sources/machine.list"
  mv "$apt/sources/machine.sources.new" "$apt/sources/machine.sources"
  say "reading the archive's package lists"
  quietly apt-get "${apt_options[@]}" update ||
    die "no network, or the Debian archive cannot be reached. apt says:
$(why)"
}

# read_offered NAME: sets $offered to the versions of a source package in the archive, the oldest first, and $newest to
# the newest of them that base.toml accepts. Call private_apt first.
read_offered() {
  local version accept
  accept=$(base_value accept)
  mapfile -t offered < <(apt-cache "${apt_options[@]}" showsrc "$1" | sed -n 's/^Version: //p' | sort -Vu)
  newest=
  for version in "${offered[@]}"; do [[ $version != "$accept"* ]] || newest=$version; done
}

# download_source NAME VERSION FOLDER: downloads the files of a source package into a new FOLDER; sets $said if it
# fails. Call private_apt first.
download_source() {
  fetch_files() {
    cd "$3" && apt-get "${apt_options[@]}" --download-only source "$1=$2" || return
    local file
    for file in *; do  # of a file: archive, apt makes links
      [ ! -L "$file" ] || cp --remove-destination "$(readlink -f "$file")" "$file" || return
    done
  }
  rm -rf "$3"
  mkdir -p "$3"
  quietly fetch_files "$@"
}

# deb_folder RELEASE: where the packages for that Debian are made.
deb_folder() { [ "$1" = bookworm ] && printf %s "$build/deb" || printf %s "$build/deb-$1"; }

# release_sources RELEASE FOLDER: the machine's sources with another release's suites, as FOLDER/machine.{list,sources}:
# without its security updates, so that what is built there installs with them and without (and an old release's are
# not served whole for ever). After private_apt.
release_sources() {
  local codename
  codename=$(. /etc/os-release; printf %s "${VERSION_CODENAME:-}")
  mkdir -p "$2"
  cp "$cache"/apt/sources/machine.{list,sources} "$2/"
  [ "$codename" != "$1" ] || return 0
  sed -i -E "/[[:space:]]$codename-security/d; s/([[:space:]])$codename(-[a-z]+)?([[:space:]]|$)/\1$1\2\3/" "$2/machine.list"
  awk -v RS= -v ORS='\n\n' -v here="$codename" -v there="$1" '!/(^|\n)Suites:[^\n]*-security/ {
    gsub("[ \t]" here, " " there); print }' "$2/machine.sources" >"$2/machine.sources.new"
  mv "$2/machine.sources.new" "$2/machine.sources"
}

# inside SYSTEM SCRIPT [ARGUMENT...]: runs a shell script as root of the system in that folder, in namespaces of its own:
# what it leaves mounted or running ends with it. The caller may set binds, an array of pairs FROM TO of folders that are
# seen there, and inside_unshare, one more option of unshare.
inside() {
  local enter='mount --make-rprivate /
    system=$1 script=$2 count=$3
    shift 3
    mount -t proc proc "$system/proc"
    mount -t sysfs sys "$system/sys"
    mount --rbind /dev "$system/dev"
    while [ $count -gt 0 ]; do
      mkdir -p "$system$2"
      mount --rbind "$1" "$system$2"
      shift 2
      count=$((count - 2))
    done
    exec chroot "$system" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
      DEBIAN_FRONTEND=noninteractive sh -ec "$script" sh "$@"'
  unshare --mount --pid --fork --kill-child ${inside_unshare:-} \
    sh -ec "$enter" sh "$1" "$2" ${#binds[@]} "${binds[@]}" "${@:3}"
}
