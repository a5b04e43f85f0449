#!/usr/bin/env bash
# Prints the public operations of the core's FieldStore, one a line, sorted: what the Kotlin and Swift packages must offer too.
#
#   bindings/operations.sh > OPERATIONS
#
# FIELDLEDGER_BINDGEN   folder with the generators; without it the one that is needed is built
set -eu
cd "$(dirname "$0")/.."
target=$(cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# rustdoc describes a crate as JSON, which stable toolchains do only when asked in this way. Only rustdoc is told: the variable
# is one that build scripts look at, and everything would be built anew.
wrapper=$(mktemp)
trap 'rm -f "$wrapper"' EXIT
cat >"$wrapper" <<'WRAPPER'
#!/bin/sh
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
WRAPPER
chmod +x "$wrapper"
# The whole workspace, as when it is checked: another choice of crates would have their dependencies checked anew.
RUSTDOC=$wrapper RUSTDOCFLAGS="-Z unstable-options --output-format json" cargo doc --quiet --workspace --no-deps --lib >&2
if [ -n "${FIELDLEDGER_BINDGEN:-}" ]; then
    operations=("$FIELDLEDGER_BINDGEN/operations")
else
    operations=(cargo run --quiet -p fieldledger-bindgen --bin operations --)
fi
"${operations[@]}" FieldStore <"$target/doc/fieldledger_core.json"
