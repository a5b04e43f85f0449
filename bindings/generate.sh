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
[ -f "$1" ] || {
    echo "Fieldledger's compiled library is missing: $1. Build it (cargo build -p fieldledger-ffi) and give its folder:" \
        "FIELDLEDGER_LIB_DIR in the environment, or -Dfieldledger.library=FOLDER for Maven." >&2
    exit 1
}
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
# Counts that Rust keeps without a sign are an Int or a Long for callers, as Kotlin's own are. What would be negative is refused;
# what is too large for them becomes the largest. (sed of macOS knows no \b.)
word() { # type, what it becomes
    printf '%s' "s/([^A-Za-z.])$1([^A-Za-z]|\$)/\\1$2\\2/g"
}
# shellcheck disable=SC2016 # Kotlin's
refuse='value.also { require(it >= 0) { "a count cannot be negative: $it" } }'
for file in "$out"/kotlin/com/fieldledger/*/*.kt; do
    sed -E -e "s/kotlin\.(UInt|UByte)([^A-Za-z]|\$)/kotlin.Int\2/g; s/kotlin\.ULong([^A-Za-z]|\$)/kotlin.Long\1/g" \
        -e "/^public object FfiConverterUInt:/,/^}/{ $(word UInt Int); s/value\.toUInt\(\)/if (value < 0) Int.MAX_VALUE else value/
            s/value\.toInt\(\)/$refuse/; }" \
        -e "/^public object FfiConverterULong:/,/^}/{ $(word ULong Long); s/value\.toULong\(\)/if (value < 0) Long.MAX_VALUE else value/
            s/value\.toLong\(\)/$refuse/; }" \
        -e "/^public object FfiConverterUByte:/,/^}/{ $(word UByte Int); s/value\.toUByte\(\)/value.toInt() and 0xFF/
            s/value\.toByte\(\)/${refuse/>= 0/in 0..255}.toByte()/; }" \
        "$file" >"$file.signed"
    mv "$file.signed" "$file"
done
"$tools/uniffi-bindgen-swift" "$library" "$out/swift" --swift-sources
"$tools/uniffi-bindgen-swift" "$library" "$out/headers" --headers --modulemap --module-name FieldledgerRust \
    --modulemap-filename module.modulemap
