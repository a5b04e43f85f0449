#!/usr/bin/env bash
# Writes the generated sources of the Swift package.
#
#   bindings/swift/generate.sh LIBRARY
#
# LIBRARY is libfieldledger_ffi.so (or .dylib), not stripped. FIELDLEDGER_BINDGEN names a folder with the generators; without
# it they are built. Nothing of what this writes is committed.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
library=$(realpath "$1")
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
../generate.sh "$library" "$out"
# UniFFI writes the default of a number that has a Swift type of its own (core/uniffi.toml) as the type that crosses.
sed -E 's/: Count = Int64\(([0-9]+)\)/: Count = \1/' "$out/swift/FieldledgerModel.swift" >"$out/model"
mv "$out/model" "$out/swift/FieldledgerModel.swift"

# UniFFI ends the process at the first call when the library is another one than these sources were written for. These tell before.
tell_mismatch() { # file, function
    cat >>"$1" <<SWIFT

/// What differs between these sources and the library; nil when nothing does.
public func $2() -> String? {
    switch initializationResult {
    case .ok: nil
    case .contractVersionMismatch: "UniFFI contract version mismatch"
    case .apiChecksumMismatch: "UniFFI API checksum mismatch"
    }
}
SWIFT
}
tell_mismatch "$out/swift/FieldledgerModel.swift" modelMismatch
tell_mismatch "$out/swift/FieldledgerFFI.swift" libraryMismatch

./quicker-reading.py "$out"/swift/FieldledgerFFI.swift "$out"/swift/FieldledgerModel.swift

mkdir -p Sources/FieldledgerFFI/Generated Sources/FieldledgerRust Sources/Fieldledger/Generated
# Written only where they differ, so that what was compiled stays.
put() { cmp -s "$1" "$2" || cp "$1" "$2"; }
for file in "$out"/swift/*.swift; do put "$file" "Sources/FieldledgerFFI/Generated/${file##*/}"; done
for file in "$out"/headers/*; do put "$file" "Sources/FieldledgerRust/${file##*/}"; done

# The names of the model that apps see as names of Fieldledger, one by one: the machinery beside them stays out of sight,
# and so do the types that the hand-written layer has something better for.
hidden=' FieldError InvalidField Denied CallbackFailed StoreOptions SyncState VisitDocument DeliveryDocument
    CollectionNoteDocument OrderDocument ReviewDocument StatementConfirmationDocument '
{
    echo '// Written by generate.sh: the types of the model as types of this module.'
    sed -nE 's/^public (indirect )?(struct|enum) ([A-Z][A-Za-z0-9]*):? .*/\2 \3/p' \
        "$out"/swift/*.swift Sources/FieldledgerFFI/*.swift | sort -u | while read -r kind name; do
        case $name in FfiConverter*) continue ;; esac
        case $hidden in *[[:space:]]"$name"[[:space:]]*) continue ;; esac
        echo "@_exported import $kind FieldledgerFFI.$name"
    done
} >"$out/Model.swift"
put "$out/Model.swift" Sources/Fieldledger/Generated/Model.swift
echo "generated: $(grep -c '^@_exported' Sources/Fieldledger/Generated/Model.swift) types"
