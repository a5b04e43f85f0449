#!/usr/bin/env bash
# Runs a command where there is a Swift compiler: here, if there is one, else in a Debian folder of its own (a chroot), which is
# made when it is not there.
#
#   bindings/swift/with-swift.sh COMMAND...
#
# The command runs in this folder. Environment:
#   FIELDLEDGER_LIB_DIR     folder with the compiled library
#   FIELDLEDGER_BIN         the server's binary, for the tests
#   FIELDLEDGER_SWIFT_ROOT  where the Debian folder is or is made (default: /var/cache/fieldledger/swift). Making it takes root,
#                           a Debian or Ubuntu machine, 0.5 GB of download, 2.7 GB of disk and some minutes
#   FIELDLEDGER_SHARE       one more folder that the command sees at the same path
# Other variables that begin with FIELDLEDGER_ are handed on. In the folder the network is that of the machine, and every
# process that the command leaves behind is ended with it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
library=$(realpath "${FIELDLEDGER_LIB_DIR:?the folder with the compiled libfieldledger_ffi}")
if command -v swift >/dev/null 2>&1; then
    cd "$here"
    export FIELDLEDGER_LIB_DIR=$library
    exec "$@"
fi
[ "$(id -u)" -eq 0 ] || { echo "No Swift compiler is here, and making a Debian folder with one takes root." >&2; exit 1; }

root=${FIELDLEDGER_SWIFT_ROOT:-/var/cache/fieldledger/swift}
quiet() { # command...: what it says only when it fails
    local log
    log=$(mktemp)
    "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; return 1; }
    rm -f "$log"
}
inside() { # shell text: runs it in the folder
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork sh -ec 'mount -t proc proc "$0/proc"; mount --bind /dev "$0/dev"; exec chroot "$0" sh -ec "$1"' \
        "$root" "$1"
}
if [ ! -e "$root/.ready" ]; then
    echo "making a Debian folder with a Swift compiler in $root …" >&2
    command -v debootstrap >/dev/null 2>&1 ||
        { quiet apt-get update -q && quiet apt-get install -y -q --no-install-recommends debootstrap; }
    mkdir -p "$root"
    # The machine's own mirror of Debian; a Debian of another release may have it too.
    mirror=${FIELDLEDGER_DEBIAN_MIRROR:-$(
        { sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
            sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list 2>/dev/null || true; } | grep -m 1 debian || true)}
    # shellcheck disable=SC2086 # without a mirror, debootstrap's own
    [ -x "$root/bin/sh" ] || quiet debootstrap --variant=minbase trixie "$root" $mirror
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # The C headers are no dependencies of the compiler, but nothing compiles without them; the server's commands speak TLS.
    quiet inside 'apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
            swiftlang libc6-dev libstdc++-14-dev ca-certificates tzdata
        apt-get clean'
    touch "$root/.ready"
fi

server=${FIELDLEDGER_BIN:+$(realpath "$FIELDLEDGER_BIN")}
mkdir -p "$root/src" "$root/lib-rust" "$root/bin-rust" "$root/full-disk"
share=${FIELDLEDGER_SHARE:+$(realpath "$FIELDLEDGER_SHARE")}
[ -z "$share" ] || mkdir -p "$root$share"
given=()
while IFS='=' read -r -d '' name value; do
    case $name in
        FIELDLEDGER_LIB_DIR | FIELDLEDGER_BIN | FIELDLEDGER_SWIFT_ROOT | FIELDLEDGER_SHARE) ;;
        FIELDLEDGER_*) given+=("$name=$value") ;;
    esac
done < <(env -0)
[ -z "$server" ] || given+=("FIELDLEDGER_BIN=/bin-rust/$(basename "$server")")
# A disk that is soon full, for the test of one.
given+=(FIELDLEDGER_FULL_DISK=/full-disk)
# shellcheck disable=SC2016 # for the inner shell
unshare --mount --pid --fork --kill-child sh -ec '
    root=$1 package=$2 library=$3 server=$4 share=$5
    shift 5
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount --bind "$package" "$root/src"
    mount --bind "$library" "$root/lib-rust"
    mount -t tmpfs -o size=3m tmpfs "$root/full-disk"
    [ -z "$server" ] || mount --bind "$(dirname "$server")" "$root/bin-rust"
    [ -z "$share" ] || mount --bind "$share" "$root$share"
    exec chroot "$root" env -i HOME=/root PATH=/usr/bin:/bin:/usr/libexec/swift/bin LANG=C.UTF-8 FIELDLEDGER_LIB_DIR=/lib-rust \
        "$@"' with-swift "$root" "$here" "$library" "$server" "$share" \
    "${given[@]}" sh -c 'cd /src && exec "$@"' sh "$@" &
# unshare itself takes no notice of a signal.
trap 'kill -KILL %1 2>/dev/null; exit 143' TERM INT HUP
{ wait $!; } 2>/dev/null
