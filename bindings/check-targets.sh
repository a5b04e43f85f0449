#!/usr/bin/env bash
# Type-checks the library for phones where no toolchain for phones is: it guards what stands behind `cfg(target_os)`, not the C
# code of SQLite, zstd and ring, and not the linking.
#
#   bindings/check-targets.sh [TARGET...]      default: the Android targets and aarch64-apple-ios
#
# Needs a Rust toolchain with the source of its standard library (rustup component rust-src, or Debian's package rust-src). Not
# part of the tests.
set -eu
cd "$(dirname "$0")/.."
stubs=$(mktemp -d)
trap 'rm -rf "$stubs"' EXIT

# A C compiler that makes an empty object of everything, and an archiver that makes an empty archive.
cat >"$stubs/cc" <<'STUB'
#!/bin/sh
previous=
for argument; do
    case $previous in -o) : >"$argument" ;; esac
    case $argument in
        # What build scripts ask of the target: whether something compiles, and which compiler this is.
        -dM | -E) echo "#define __clang__ 1" ;;
    esac
    previous=$argument
done
exit 0
STUB
cat >"$stubs/ar" <<'STUB'
#!/bin/sh
for argument; do
    case $argument in *.a) printf '!<arch>\n' >"$argument" ;; esac
done
exit 0
STUB
# Where Apple's headers are: nobody reads any.
cat >"$stubs/xcrun" <<'STUB'
#!/bin/sh
echo /
STUB
chmod +x "$stubs/cc" "$stubs/ar" "$stubs/xcrun"
PATH=$stubs:$PATH
export PATH

[ $# -gt 0 ] || set -- aarch64-linux-android armv7-linux-androideabi x86_64-linux-android aarch64-apple-ios
passed=0
failed=0
for target; do
    name=$(echo "$target" | tr - _)
    export "CC_$name=$stubs/cc" "CXX_$name=$stubs/cc" "AR_$name=$stubs/ar" "RANLIB_$name=true"
    if RUSTC_BOOTSTRAP=1 cargo check -Zbuild-std=std,panic_unwind --target "$target" -p fieldledger-ffi; then
        passed=$((passed + 1))
    else
        echo "FAILED: $target"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
