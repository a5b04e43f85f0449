#!/usr/bin/env bash
# The supervisor's pages in a real browser. Ends with a line `N passed, N failed`; pictures of every page are left in
# target/screenshots.
#
#   FIELDLEDGER_BIN=target/debug/fieldledger tests/web/test.sh [FILE…]      only these test files
#   tests/web/test.sh --fetch                                              only installs what is missing
#
# Needs Node.js 20.10 or newer. Chromium (Debian's package) and the packages of package-lock.json are installed when they are
# missing and that is possible without asking. Exits with 3 when something it needs is not there.
#
#   CHROMIUM             the browser (default: /usr/bin/chromium)
#   PICTURES             a folder: the pictures of docs/images are written into it
#   FIELDLEDGER_OFFLINE  set to anything: install nothing
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != --fetch ]; then
    FIELDLEDGER_BIN=$(realpath "${FIELDLEDGER_BIN:?the path of the binary fieldledger}")
    export FIELDLEDGER_BIN
fi
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}

if [ -n "${PICTURES:-}" ]; then
    mkdir -p "$PICTURES"
    PICTURES=$(realpath "$PICTURES")
    export PICTURES
fi

missing() {
    echo "$1" >&2
    exit 3
}

as=()
[ "$(id -u)" -eq 0 ] || as=(sudo -n)
install() { # Debian packages
    [ -z "${FIELDLEDGER_OFFLINE:-}" ] && command -v apt-get >/dev/null 2>&1 || return 1
    local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
    "${apt[@]}" install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        { "${apt[@]}" update -qq >/dev/null 2>&1 && "${apt[@]}" install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; }
}

command -v node >/dev/null 2>&1 || missing "Node.js is not installed"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 10) ? 0 : 1)' ||
    missing "Node.js 20.10 or newer is needed, this is $(node --version)"
[ -x "$CHROMIUM" ] || install chromium || missing "no browser at $CHROMIUM: apt-get install chromium"
# Without them a picture of a Chinese page shows boxes; the tests pass all the same.
[ -n "$(fc-list :lang=zh 2>/dev/null)" ] || install fonts-noto-cjk || true

cd "$here"
if ! cmp -s package-lock.json node_modules/.lock; then
    [ -z "${FIELDLEDGER_OFFLINE:-}" ] || missing "the packages of tests/web are not installed: npm ci"
    npm ci --silent || missing "the packages of tests/web cannot be installed: npm ci"
    cp package-lock.json node_modules/.lock
fi
[ "${1:-}" != --fetch ] || exit 0
exec node run.js "$@"
