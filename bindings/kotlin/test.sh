#!/usr/bin/env bash
# Generates, builds and tests the Kotlin package and its sample against a server, and checks the Android sources.
#
# FIELDLEDGER_LIB_DIR   folder with libfieldledger_ffi.so (or .dylib), not stripped
# FIELDLEDGER_BIN       the program fieldledger
# FIELDLEDGER_BINDGEN   folder with the generators; without it they are built
# FIELDLEDGER_OPERATIONS  what bindings/operations.sh prints; without it that is run, which builds the core's description
#
#   bindings/kotlin/test.sh        everything
#   bindings/kotlin/test.sh keys   after that, only the test of encryption, with a library that was built with it
#
# Needs a JDK (17 or newer), Maven and a C compiler with nm; everything else comes through Maven. Ends with a line `N passed, N failed`.
set -u
cd "$(dirname "$0")" || exit 1
fail() {
    echo "$1" >&2
    echo "0 passed, 1 failed"
    exit 1
}
for tool in java mvn; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is not here: a JDK (17 or newer) and Maven are needed."
done
[ -n "${FIELDLEDGER_LIB_DIR:-}" ] || fail "FIELDLEDGER_LIB_DIR must name the folder with the compiled library."
[ -x "${FIELDLEDGER_BIN:-}" ] || fail "FIELDLEDGER_BIN must name the server's program."
export FIELDLEDGER_LIB_DIR FIELDLEDGER_BIN
if [ -z "${FIELDLEDGER_OPERATIONS:-}" ]; then
    mkdir -p target
    FIELDLEDGER_OPERATIONS=$PWD/target/operations.txt
    ../operations.sh >"$FIELDLEDGER_OPERATIONS" || fail "The core's operations could not be listed."
fi
export FIELDLEDGER_OPERATIONS
if [ "${1:-}" = keys ]; then
    rm -f fieldledger/target/surefire-reports/TEST-com.fieldledger.KeysTest.xml
    FIELDLEDGER_ENCRYPTED=1 mvn -B -ntp -pl fieldledger surefire:test -Dtest=KeysTest
    status=$?
    # Maven's last line has no end: what follows it must not stand beside its colours.
    echo
    ran=$(sed -n 's/^<testsuite .* tests="\([0-9]*\)" errors="0" skipped="0" failures="0".*/\1/p' \
        fieldledger/target/surefire-reports/TEST-com.fieldledger.KeysTest.xml)
    if [ "$status" -ne 0 ] || [ "${ran:-0}" -eq 0 ]; then fail "the test of encryption failed"; fi
    echo "$ran passed, 0 failed"
    exit 0
fi
rm -rf fieldledger/target/surefire-reports sample/target/surefire-reports
# Failing tests do not keep the other module from being tested; they are counted below. `install`, so that the check of the
# Android sources finds the packages.
mvn -B -ntp -Dmaven.test.failure.ignore=true install
status=$?
sum() { # attribute
    cat fieldledger/target/surefire-reports/TEST-*.xml sample/target/surefire-reports/TEST-*.xml 2>/dev/null |
        sed -n 's/^<testsuite .* '"$1"'="\([0-9]*\)".*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}
broken=$(($(sum errors) + $(sum failures)))
passed=$(($(sum tests) - broken - $(sum skipped)))
[ "$status" -eq 0 ] || broken=$((broken + 1))
ls sample/target/surefire-reports/TEST-*.xml >/dev/null 2>&1 || broken=$((broken + 1))
[ "$(sum skipped)" -eq 0 ] || broken=$((broken + $(sum skipped)))
if [ -z "${FIELDLEDGER_OFFLINE:-}" ]; then
    if android/check-sources.sh; then passed=$((passed + 1)); else broken=$((broken + 1)); fi
else
    echo "NOT RUN: the check of the Android sources, which fetches what it compiles against"
fi
echo "$passed passed, $broken failed"
[ "$broken" -eq 0 ] && [ "$passed" -gt 0 ]
