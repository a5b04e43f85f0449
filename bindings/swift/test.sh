#!/usr/bin/env bash
# Generates, builds and tests the Swift package against the compiled core and a running server.
#
#   FIELDLEDGER_LIB_DIR=target/debug FIELDLEDGER_BIN=target/debug/fieldledger bindings/swift/test.sh
#   … bindings/swift/test.sh keys   after that, only the tests of encryption, with a library that was built with it
#
# Environment:
#   FIELDLEDGER_LIB_DIR     folder with libfieldledger_ffi, not stripped
#   FIELDLEDGER_BIN         the server's binary
#   FIELDLEDGER_BINDGEN     folder with the generators; without it they are built
#   FIELDLEDGER_OPERATIONS  file with the public operations of the core's FieldStore, a name a line (bindings/operations.sh);
#                           without it those of the generated sources are compared
#   FIELDLEDGER_SWIFT_ROOT  see with-swift.sh
# The last line says `N passed, N failed`. In the Debian folder nothing is missing, so a test that was skipped there has failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
library=${FIELDLEDGER_LIB_DIR:?the folder with the compiled libfieldledger_ffi}
: "${FIELDLEDGER_BIN:?the server binary}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
count() { # passed|failed|skipped
    grep -c "^. Test [A-Za-z0-9_]*(.*) $1" "$log" || true
}
if [ "${1:-}" = keys ]; then
    FIELDLEDGER_ENCRYPTED=1 "$here/with-swift.sh" swift test --skip-build --filter 'aKeyEncrypts|storedKeys' >"$log" 2>&1 || status=$?
    cat "$log"
    echo "$(count passed) passed, $(count failed) failed"
    [ "${status:-0}" -eq 0 ] && [ "$(count passed)" -eq 2 ]
    exit
fi
for file in "$library"/libfieldledger_ffi.so "$library"/libfieldledger_ffi.dylib; do [ ! -e "$file" ] || found=$file; done
"$here/generate.sh" "${found:?no libfieldledger_ffi in $library}"
if [ -n "${FIELDLEDGER_OPERATIONS:-}" ]; then
    cp "$FIELDLEDGER_OPERATIONS" "$here/.operations"
    export FIELDLEDGER_OPERATIONS=.operations
fi

"$here/with-swift.sh" swift build --build-tests
"$here/with-swift.sh" swift package dump-symbol-graph --minimum-access-level public --emit-extension-block-symbols >/dev/null
FIELDLEDGER_SYMBOLS=$(cd "$here" && find .build/ -path '*symbolgraph*' -name Fieldledger.symbols.json | head -n 1)
export FIELDLEDGER_SYMBOLS
if "$here/with-swift.sh" swift test --skip-build >"$log" 2>&1; then status=0; else status=$?; fi
cat "$log"
passed=$(count passed)
failed=$(count failed)
skipped=$(count skipped)
command -v swift >/dev/null 2>&1 || failed=$((failed + skipped))

also() { # command...
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}
# The documentation, any warning being an error: links that lead nowhere, names that have changed. Into .build/docs.
graphs=$here/.build/graphs
rm -rf "$graphs" && mkdir -p "$graphs"
find "$here/.build/" -path '*symbolgraph*' \( -name 'Fieldledger.symbols.json' -o -name 'Fieldledger@*.symbols.json' \) \
    -exec cp {} "$graphs/" \;
docc=(docc)
command -v xcrun >/dev/null 2>&1 && docc=(xcrun docc)
also "$here/with-swift.sh" "${docc[@]}" convert Sources/Fieldledger/Fieldledger.docc --fallback-display-name Fieldledger \
    --fallback-bundle-identifier com.fieldledger --additional-symbol-graph-dir .build/graphs --output-dir .build/docs \
    --warnings-as-errors
# The check of a packed framework, on a made-up one.
also python3 "$here/check-xcframework.py" --self-test
# That the code of the documentation that was compiled above is the code that it prints.
also python3 "$here/check-documentation.py"

if [ "$passed" -eq 0 ] || { [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; }; then failed=$((failed + 1)); fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
