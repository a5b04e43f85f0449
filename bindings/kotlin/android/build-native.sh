#!/usr/bin/env bash
# Builds the library for phones into src/main/jniLibs, with encryption at rest and aligned for pages of 16 KB, and checks it.
# Needs the Android NDK (r28 or newer), `cargo install cargo-ndk`, and the three targets of rustup.
#
# Never run before 2026-11-28: there was no NDK where this was written. CI runs it (.github/workflows/android.yml).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
command -v cargo-ndk >/dev/null 2>&1 || { echo "cargo-ndk is not here: cargo install cargo-ndk" >&2; exit 1; }
[ -n "${ANDROID_NDK_HOME:-}" ] || { echo "ANDROID_NDK_HOME must name the folder of the NDK" >&2; exit 1; }
jni="$here/src/main/jniLibs"
rm -rf "$jni"
# The oldest Android that the AAR is for.
# Packed relocations, which Android reads since API 23, and only the shared library: without the two a library for x86-64 is 3 MB
# larger (docs/measurements.md).
export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-Wl,-z,max-page-size=16384 -C link-arg=-Wl,--build-id=sha1 -C link-arg=-Wl,--pack-dyn-relocs=android"
cargo ndk --target arm64-v8a --target armeabi-v7a --target x86_64 --platform 26 --output-dir "$jni" \
    rustc --package fieldledger-ffi --profile mobile --features sqlcipher-vendored --crate-type cdylib
# The description of the interface is in the symbols: the generators read the unstripped library, apps get the stripped one.
mkdir -p "$here/build/symbols"
for library in "$jni"/*/libfieldledger_ffi.so; do
    abi=$(basename "$(dirname "$library")")
    cp "$library" "$here/build/symbols/libfieldledger_ffi-$abi.so"
    "$(find "$ANDROID_NDK_HOME/toolchains/llvm/prebuilt" -name llvm-strip | head -n 1)" --strip-unneeded "$library"
done
bindings/generate.sh "$here/build/symbols/libfieldledger_ffi-arm64-v8a.so" bindings/kotlin/generated/target/uniffi
"$here/check-native.sh" "$jni"
