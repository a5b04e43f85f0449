#!/usr/bin/env bash
# Prints the public operations of the core's FieldStore, one a line, sorted: what the Kotlin and Swift packages must offer too.
#
#   bindings/operations.sh > OPERATIONS
#
# rustdoc describes the crate as JSON, which stable toolchains do only when asked in this way. Takes a build of the core.
set -eu
cd "$(dirname "$0")/.."
target=$(cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# Beside the other builds: the variable is one that build scripts look at, and would have everything built anew.
RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --target-dir "$target/rustdoc-json" -p fieldledger-core --lib --features uniffi -- \
    -Z unstable-options --output-format json >&2
cargo run --quiet -p fieldledger-bindgen --bin operations -- FieldStore <"$target/rustdoc-json/doc/fieldledger_core.json"
