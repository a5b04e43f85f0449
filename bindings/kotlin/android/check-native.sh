#!/usr/bin/env bash
# Checks native libraries for phones, on any Linux with readelf:
#
#   check-native.sh FOLDER|AAR|APK
#
# For each of the three processors a library must be there, be of that processor, have every loaded segment aligned for pages
# of 16 KB (64-bit ones), need nothing but what Android has, export UniFFI's functions, and ask for no executable stack.
set -eu
[ $# -eq 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
command -v readelf >/dev/null 2>&1 || { echo "readelf is not here: install binutils" >&2; exit 1; }
place=$1
if [ -f "$place" ]; then
    unpacked=$(mktemp -d)
    trap 'rm -rf "$unpacked"' EXIT
    unzip -q "$place" -d "$unpacked"
    place=$(find "$unpacked" -maxdepth 1 \( -name jni -o -name lib \) | head -n 1)
    case $1 in *.aar)
        grep -q 'com.sun.jna' "$unpacked/proguard.txt" || { echo "FAILED: no rules for R8 in $1" >&2; exit 1; } ;;
    esac
fi
passed=0
failed=0
verdict() { # what, whether
    if [ "$2" = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi
}
for abi in arm64-v8a:AArch64 armeabi-v7a:ARM x86_64:X86-64; do
    library="$place/${abi%%:*}/libfieldledger_ffi.so"
    if [ ! -f "$library" ]; then
        verdict "$library is missing" no
        continue
    fi
    verdict "$library is for another processor" \
        "$(readelf -h "$library" | grep -q "Machine:.*${abi##*:}" && echo yes || echo no)"
    if [ "${abi%%:*}" != armeabi-v7a ]; then
        small=0
        for alignment in $(readelf -lW "$library" | awk '$1 == "LOAD" { print $NF }'); do
            [ $((alignment)) -ge 16384 ] || small=1
        done
        verdict "$library has segments aligned for less than 16 KB" "$([ $small -eq 0 ] && echo yes || echo no)"
    fi
    others=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | grep -vxE 'lib(c|m|dl|log)\.so' || true)
    verdict "$library needs what Android does not have: $others" "$([ -z "$others" ] && echo yes || echo no)"
    verdict "$library does not export UniFFI's functions" \
        "$(readelf --dyn-syms -W "$library" | grep -q 'uniffi_fieldledger_ffi_fn_constructor_fieldstore_open' && echo yes || echo no)"
    verdict "$library asks for an executable stack" \
        "$(readelf -lW "$library" | awk '$1 == "GNU_STACK" { print $(NF - 1) }' | grep -q E && echo no || echo yes)"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
