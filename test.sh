#!/usr/bin/env bash
# Runs every check of Fieldledger and prints what ran, what was skipped and why, and what failed.
#
#   ./test.sh        everything: core and server, the packages for Kotlin and Swift, the core encrypted, the pages in a browser
#   ./test.sh core   the core and the server only
#
# Needs a Rust toolchain and a C compiler. Other tools are installed when that is possible without asking; what cannot be
# installed is skipped by name. With CI=true a skip in the core and the server is a failure.
#
#   FIELDLEDGER_DATASETS folder with the data sets `classicmodels` and `northwind` (default: ../shared/data)
#   FIELDLEDGER_OFFLINE  set to anything: install nothing
#   FIELDLEDGER_MINUTES  after so many minutes the packages, the encrypted core and the pages are left out, by name
set -u
cd "$(dirname "$0")" || exit 1

data=${FIELDLEDGER_DATASETS:-../shared/data}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export FIELDLEDGER_SKIPS="$scratch/skips"
: >"$FIELDLEDGER_SKIPS"
report="$scratch/report"
: >"$report"
broke="$scratch/broke"
: >"$broke"
passed=0
failed=0

heading() { printf '\n==> %s\n' "$1"; }

note() { # RAN|SKIPPED|FAILED, name, remark
    printf '%-8s %-42s %s\n' "$1" "$2" "$3" >>"$report"
}

skip() { # name, why
    if [ "${CI:-}" = true ]; then
        note FAILED "$1" "skipped, which CI does not allow: $2"
        failed=$((failed + 1))
    else
        note SKIPPED "$1" "$2"
    fi
}

# A part of its own that this machine cannot run, or has no time for: said, and no failure anywhere.
leave_out() { # name, why
    note "LEFT OUT" "$1" "$2"
}

late() { [ -n "${FIELDLEDGER_MINUTES:-}" ] && [ "$SECONDS" -gt $((FIELDLEDGER_MINUTES * 60)) ]; }

step() { # name, command...
    local name=$1 started=$SECONDS
    shift
    heading "$name"
    if "$@"; then
        passed=$((passed + 1))
        note RAN "$name" "$((SECONDS - started)) s"
    else
        failed=$((failed + 1))
        note FAILED "$name" "$*"
    fi
}

# The lines by which cargo, JUnit, Swift's testing and Node name a test that failed: repeated at the end, where they are found.
remember() { # name of the part, log
    grep -aE '^test .* \.\.\. FAILED|^\[ERROR\]   |^✘ Test .* failed|^✖ |error: |panicked at ' "$2" | head -n 40 | sed "s/^/$1: /" >>"$broke"
}

# Runs cargo test and adds up what its harnesses count.
tests() { # name, cargo test arguments...
    local name=$1 started=$SECONDS log="$scratch/log" status ran broken
    shift
    heading "$name"
    cargo test --no-fail-fast "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    ran=$(sed -n 's/^test result: .* \([0-9][0-9]*\) passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    broken=$(sed -n 's/^test result: .* \([0-9][0-9]*\) failed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    # A harness that does not compile, or dies, counts as one failure: it has no line of its own.
    if [ "$status" -ne 0 ] && [ "$broken" -eq 0 ]; then
        broken=1
    fi
    passed=$((passed + ran))
    failed=$((failed + broken))
    if [ "$status" -eq 0 ]; then
        note RAN "$name" "$ran tests, $((SECONDS - started)) s"
    else
        note FAILED "$name" "$ran passed, $broken failed"
        remember "$name" "$log"
    fi
}

# Runs a script that ends with a line `N passed, N failed`, and adds up what it counts. None is a failure.
suite() { # name, command...
    local name=$1 started=$SECONDS log="$scratch/log" status ran broken
    shift
    if late; then
        leave_out "$name" "no time is left"
        return
    fi
    heading "$name"
    # Nothing here takes half as long; what hangs is ended and has failed.
    timeout --kill-after=30 1500 "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    # Maven sets its colours back at the beginning of whatever line comes after it.
    sed "s/$(printf '\033')\[[0-9;]*m//g" "$log" >"$log.plain" && mv "$log.plain" "$log"
    ran=$(sed -n 's/^\([0-9][0-9]*\) passed, [0-9][0-9]* failed.*/\1/p' "$log" | tail -n 1)
    broken=$(sed -n 's/^[0-9][0-9]* passed, \([0-9][0-9]*\) failed.*/\1/p' "$log" | tail -n 1)
    ran=${ran:-0}
    broken=${broken:-0}
    if [ "$broken" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$ran" -eq 0 ]; }; then
        broken=1
    fi
    passed=$((passed + ran))
    failed=$((failed + broken))
    if [ "$broken" -eq 0 ]; then
        note RAN "$name" "$ran tests, $((SECONDS - started)) s"
    else
        note FAILED "$name" "$ran passed, $broken failed"
        remember "$name" "$log"
    fi
}

may_install() {
    [ -z "${FIELDLEDGER_OFFLINE:-}" ] && command -v apt-get >/dev/null 2>&1 &&
        { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }
}

install_package() { # package
    local as=()
    [ "$(id -u)" -eq 0 ] || as=(sudo -n)
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1 ||
        { "${as[@]}" apt-get update -qq >/dev/null 2>&1 &&
            "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1; }
}

# What takes long to fetch, while the compiler is at work. Each script that needs something fetches it by
# itself too, so that nothing depends on this.
fetch_ahead() {
    mkdir -p "$scratch/none"
    FIELDLEDGER_LIB_DIR="$scratch/none" timeout 1200 bindings/swift/with-swift.sh true
    timeout 600 tests/web/test.sh --fetch
}

have_component() { # cargo subcommand, rustup component
    cargo "$1" --version >/dev/null 2>&1 && return 0
    [ -z "${FIELDLEDGER_OFFLINE:-}" ] && command -v rustup >/dev/null 2>&1 &&
        rustup component add "$2" >/dev/null 2>&1 && cargo "$1" --version >/dev/null 2>&1
}

if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is not here: install a Rust toolchain first." >&2
    exit 1
fi
if ! command -v "${CC:-cc}" >/dev/null 2>&1; then
    may_install && install_package gcc && may_install && install_package libc6-dev
    command -v "${CC:-cc}" >/dev/null 2>&1 || { echo "No C compiler is here: install one first." >&2; exit 1; }
fi
# Records the writes of a phone, to cut the power in the middle of them.
command -v strace >/dev/null 2>&1 || { may_install && install_package strace; } || true

if [ "${1:-}" != core ] && [ -z "${FIELDLEDGER_OFFLINE:-}" ]; then
    command -v mvn >/dev/null 2>&1 || { may_install && install_package maven; } || true
    fetch_ahead >"$scratch/fetching" 2>&1 &
    fetching=$!
fi

if have_component fmt rustfmt; then
    step "formatting" cargo fmt --all --check
else
    skip "formatting" "rustfmt is not installed: rustup component add rustfmt"
fi
if have_component clippy clippy; then
    step "clippy, warnings denied" cargo clippy --workspace --all-targets --quiet -- -D warnings
else
    skip "clippy, warnings denied" "clippy is not installed: rustup component add clippy"
fi
step "documentation, warnings denied" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

# The server as a process of its own, for the tests that start, kill and restart it, and for the demo.
step "build" cargo build --workspace --all-targets --quiet
target=$(cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
export FIELDLEDGER_BIN="$target/debug/fieldledger"
tests "unit, property and scenario tests" --workspace --all-targets
tests "documentation examples" --workspace --doc
# A test that has to leave something out says so in this file.
while IFS=: read -r name why; do
    skip "test $name" "$why"
done <"$FIELDLEDGER_SKIPS"

step "demo, generated company" "$FIELDLEDGER_BIN" demo --exit
for set in classicmodels northwind; do
    if [ -d "$data/$set" ]; then
        step "demo, $set" "$FIELDLEDGER_BIN" demo --exit --company "$data/$set" --mapping "sync-server/mappings/$set.toml"
    else
        skip "demo, $set" "no data set at $data/$set (set FIELDLEDGER_DATASETS)"
    fi
done

if [ "${1:-}" != core ]; then
    [ -z "${fetching:-}" ] || wait "$fetching"
    # The library for apps, in both languages. The generators read the description of the interface from the unstripped library.
    export FIELDLEDGER_BINDGEN="$target/debug" FIELDLEDGER_LIB_DIR="$target/debug" FIELDLEDGER_OPERATIONS="$scratch/operations"
    operations() { bindings/operations.sh >"$FIELDLEDGER_OPERATIONS" && [ -s "$FIELDLEDGER_OPERATIONS" ]; }
    step "the operations that both packages must have" operations
    kotlin='' swift=''
    packages_come() {
        timeout 300 mvn -B -ntp -q -N -f bindings/kotlin/pom.xml dependency:get \
            -Dartifact=net.java.dev.jna:jna:5.19.1 -Dtransitive=false >/dev/null 2>&1
    }
    if ! command -v mvn >/dev/null 2>&1 || ! command -v java >/dev/null 2>&1; then
        leave_out "Kotlin" "no Java with Maven is here"
    elif ! packages_come; then
        leave_out "Kotlin" "Maven fetches no packages here"
    else
        suite "Kotlin" bindings/kotlin/test.sh
        [ ! -e bindings/kotlin/sample/target/rep.jar ] || kotlin=bindings/kotlin/rep.sh
    fi
    if FIELDLEDGER_LIB_DIR="$scratch" timeout 600 bindings/swift/with-swift.sh true >/dev/null 2>&1; then
        suite "Swift" bindings/swift/test.sh
        [ ! -e bindings/swift/.build/debug/rep ] || swift=bindings/swift/rep.sh
    else
        leave_out "Swift" "no compiler is here, and none could be installed into a folder of its own (root on Debian is needed)"
    fi
    suite "the same day in Rust, Kotlin and Swift" bindings/same-day.sh "$target/debug/examples/rep" "$kotlin" "$swift"

    # The pages as a person uses them.
    if timeout 600 tests/web/test.sh --fetch >"$scratch/log" 2>&1; then
        suite "pages in a browser" tests/web/test.sh
    else
        leave_out "pages in a browser" "$(tail -n 1 "$scratch/log")"
    fi

    # Last, because its library takes the place of the one without encryption.
    command -v pkg-config >/dev/null 2>&1 || { may_install && install_package pkg-config; } || true
    pkg-config --exists openssl 2>/dev/null || { may_install && install_package libssl-dev; } || true
    if ! pkg-config --exists openssl 2>/dev/null; then
        leave_out "the phone with encryption at rest" "the headers of OpenSSL are not installed: libssl-dev"
    elif late; then
        leave_out "the phone with encryption at rest" "no time is left"
    else
        encrypted=(-p fieldledger-core -p fieldledger-ffi --features fieldledger-core/sqlcipher)
        tests "the phone with encryption at rest" "${encrypted[@]}"
        step "the library with encryption at rest" cargo build --quiet "${encrypted[@]}"
        mkdir "$scratch/encrypted"
        cp "$target"/debug/libfieldledger_ffi.* "$scratch/encrypted/"
        export FIELDLEDGER_LIB_DIR="$scratch/encrypted"
        [ -z "$kotlin" ] || suite "encryption from Kotlin" bindings/kotlin/test.sh keys
        [ -z "$swift" ] || suite "encryption from Swift" bindings/swift/test.sh keys
        # So that whoever uses the folder next finds the usual one. A machine that is thrown away has nobody next.
        [ -n "${FIELDLEDGER_MINUTES:-}" ] || step "build, as it was" cargo build --workspace --all-targets --quiet
    fi
fi

heading "summary"
cat "$report"
if [ -s "$broke" ]; then
    echo
    cat "$broke"
fi
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
