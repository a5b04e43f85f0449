#!/usr/bin/env bash
# Writes the Kotlin and Swift sources that belong to a compiled library.
#
#   bindings/generate.sh LIBRARY OUT
#
# LIBRARY is libfieldledger_ffi.so (or .dylib), not stripped: the description of the interface is in its symbols.
# OUT/kotlin gets the Kotlin sources, OUT/swift the Swift sources, OUT/headers the C headers with a module map.
# FIELDLEDGER_BINDGEN names a folder with the two generators; without it they are built.
set -eu
[ $# -eq 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
library=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."
tools=${FIELDLEDGER_BINDGEN:-}
if [ -z "$tools" ]; then
    cargo build --quiet -p fieldledger-bindgen
    tools=$(cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
fi
"$tools/uniffi-bindgen" generate --language kotlin --no-format --out-dir "$out/kotlin" "$library"
"$tools/uniffi-bindgen-swift" "$library" "$out/swift" --swift-sources
"$tools/uniffi-bindgen-swift" "$library" "$out/headers" --headers --modulemap --module-name FieldledgerRust \
    --modulemap-filename module.modulemap
