#!/usr/bin/env bash
# The same scripted day, played by the Rust, the Kotlin and the Swift sample against one server; all must end with the same
# state. README.md beside this file says what is played. First against a small company, each with a customer of its own; then
# against `fieldledger demo`, in the middle of what others did there.
#
#   bindings/same-day.sh RUST KOTLIN SWIFT
#
# Each argument is a command that takes `FOLDER enrol URL CODE`, `FOLDER day CUSTOMER`, …; an empty one is left out, and said.
# FIELDLEDGER_BIN is the server.
set -eu
[ $# -eq 3 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
server=${FIELDLEDGER_BIN:?the path of the binary fieldledger}
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
running=
stop() {
    [ -z "$running" ] || { kill "$running" && wait "$running"; } 2>/dev/null || true
    running=
}
trap 'stop; rm -rf "$place"' EXIT
passed=0
failed=0

# What the server of this part prints, once it has printed a line with this text.
said() { # text
    for _ in $(seq 600); do
        if grep -qs -e "$1" "$place/out"; then
            cat "$place/out"
            return
        fi
        kill -0 "$running" 2>/dev/null || break
        sleep 0.2
    done
    cat "$place/out" "$place/err" >&2
    return 1
}

command_of() { case $1 in rust) echo "$rust" ;; kotlin) echo "$kotlin" ;; swift) echo "$swift" ;; esac; }
rust=$1 kotlin=$2 swift=$3

part() { # folder, url, whose phones, then for each sample: name=customer
    local folder=$place/$1 url=$2 login=$3 name customer command code expected found
    local played=()
    shift 3
    for pair in "$@"; do
        name=${pair%%=*}
        customer=${pair#*=}
        command=$(command_of "$name")
        if [ -z "$command" ]; then
            echo "NOT RUN: the $name sample was not given"
            continue
        fi
        code=$("$server" device enrol "$login" | head -n 1)
        if $command "$folder/$name" enrol "$url" "$code" && $command "$folder/$name" today && $command "$folder/$name" day "$customer"
        then
            played+=("$name")
        else
            echo "FAILED: the day of the $name sample"
            failed=$((failed + 1))
        fi
    done
    # Everybody learns what the others did.
    for name in "${played[@]}"; do
        command=$(command_of "$name")
        $command "$folder/$name" sync
        $command "$folder/$name" state >"$folder/$name.state"
    done
    for name in "${played[@]}"; do
        if cmp "$folder/${played[0]}.state" "$folder/$name.state"; then
            passed=$((passed + 1))
        else
            echo "FAILED: the state of the $name sample differs from that of the ${played[0]} sample"
            failed=$((failed + 1))
        fi
    done
    # Three documents of each day: a day that did nothing would agree with another that did nothing.
    expected=$((3 * ${#played[@]}))
    found=$(grep -oE '"title":"(DAY-|DEL-|签收完毕 – all signed)' "$folder/${played[0]}.state" | wc -l)
    if [ "$found" -ne "$expected" ]; then
        echo "FAILED: $found documents of these days in the end, $expected were made"
        failed=$((failed + 1))
    fi
}

export FIELDLEDGER_DATA=$place/data
"$server" import --mapping "$here/company/mapping.toml" "$here/company" >/dev/null
"$server" serve --listen 127.0.0.1:0 >"$place/out" 2>"$place/err" &
running=$!
url=$(said 'http://' | grep -o 'http://[^ ]*' | head -n 1)
part small "$url" lina rust=C-RUST kotlin=C-KOTLIN swift=C-SWIFT
stop

"$server" demo --keep "$place/demo" >"$place/out" 2>"$place/err" &
running=$!
export FIELDLEDGER_DATA=$place/demo/server
# The last lines of the demo are for whoever tries it by hand, and so is this.
hints=$(said 'play their day')
url=$(echo "$hints" | grep -o 'http://[^ ]*' | head -n 1)
login=$(echo "$hints" | sed -n 's/.* device enrol \([^ ]*\) .*/\1/p')
customer=$(echo "$hints" | sed -n 's/.*play their day with the customer \([^ .]*\).*/\1/p')
part shown "$url" "$login" "rust=$customer" "kotlin=$customer" "swift=$customer"
stop

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
