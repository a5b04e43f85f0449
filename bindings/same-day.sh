#!/usr/bin/env bash
# The same scripted day, played by the Rust, the Kotlin and the Swift sample against one server; all must end with the same
# state. README.md beside this file says what is played.
#
#   bindings/same-day.sh RUST KOTLIN SWIFT
#
# Each argument is a command that takes `FOLDER enrol URL CODE`, `FOLDER day CUSTOMER`, …; an empty one is left out, and said.
# FIELDLEDGER_BIN is the server.
set -eu
[ $# -eq 3 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
server=${FIELDLEDGER_BIN:?the path of the binary fieldledger}
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || true; rm -rf "$place"' EXIT
export FIELDLEDGER_DATA=$place/data

"$server" import --mapping "$here/company/mapping.toml" "$here/company" >/dev/null
"$server" serve --listen 127.0.0.1:0 >"$place/serve.out" 2>"$place/serve.err" &
running=$!
for _ in $(seq 100); do
    url=$(grep -o 'http://127.0.0.1:[0-9]*' "$place/serve.out" "$place/serve.err" 2>/dev/null | head -n 1 | sed 's/.*http/http/') || true
    [ -z "$url" ] || break
    sleep 0.1
done
[ -n "$url" ] || { cat "$place/serve.err" >&2; exit 1; }

failed=0
played=()
play() { # name, customer, command
    local name=$1 customer=$2 code
    shift 2
    if [ -z "$*" ]; then
        echo "NOT RUN: the $name sample was not given"
        return
    fi
    code=$("$server" device enrol lina | head -n 1)
    # shellcheck disable=SC2048,SC2086 # a command with its arguments
    if $* "$place/$name" enrol "$url" "$code" && $* "$place/$name" today && $* "$place/$name" day "$customer"; then
        played+=("$name")
    else
        echo "FAILED: the day of the $name sample"
        failed=$((failed + 1))
    fi
}
play rust C-RUST "$1"
play kotlin C-KOTLIN "$2"
play swift C-SWIFT "$3"

# Everybody learns what the others did.
command_of() { case $1 in rust) echo "$2" ;; kotlin) echo "$3" ;; swift) echo "$4" ;; esac; }
for name in "${played[@]}"; do
    command=$(command_of "$name" "$@")
    $command "$place/$name" sync
    $command "$place/$name" state >"$place/$name.state"
done
passed=0
for name in "${played[@]}"; do
    if cmp "$place/${played[0]}.state" "$place/$name.state"; then
        passed=$((passed + 1))
    else
        echo "FAILED: the state of the $name sample differs from that of the ${played[0]} sample"
        failed=$((failed + 1))
    fi
done
# Three documents of each day: a day that did nothing would agree with another that did nothing.
expected=$((3 * ${#played[@]}))
found=$(grep -o '"kind":' "$place/${played[0]}.state" | wc -l)
if [ "$found" -ne "$expected" ]; then
    echo "FAILED: $found documents in the end, $expected were made"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
