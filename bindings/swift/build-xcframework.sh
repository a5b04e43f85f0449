#!/usr/bin/env bash
# Packs the compiled core for Apple platforms, and a copy of the package that names it. On a Mac with Xcode and rustup.
# NEVER RUN SO FAR (2026-11-28): written on Linux, checked with shellcheck and check-xcframework.py only.
#
#   bindings/swift/build-xcframework.sh VERSION [URL]
#
# dist/FieldledgerRust.xcframework.zip gets the framework, dist/Fieldledger-VERSION.zip the package for apps. URL is where the first
# will be for everybody; without it the package takes it from FIELDLEDGER_XCFRAMEWORK. FIELDLEDGER_FEATURES are features of
# fieldledger-ffi to build with.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
version=$1 url=${2:-}
cd "$(dirname "$0")"
repository=$(cd ../.. && pwd)
dist=$PWD/dist
module=FieldledgerRust
targets=(aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin)
export IPHONEOS_DEPLOYMENT_TARGET=15.0 MACOSX_DEPLOYMENT_TARGET=12.0

rustup target add "${targets[@]}"
for target in "${targets[@]}"; do
    (cd "$repository" && cargo build --profile mobile -p fieldledger-ffi --target "$target" --features "${FIELDLEDGER_FEATURES:-}")
done
# The generators read the description of the interface from an unstripped library of this machine.
(cd "$repository" && cargo build -p fieldledger-ffi)
./generate.sh "$repository/target/debug/libfieldledger_ffi.dylib"

work=$dist/work
rm -rf "$dist" && mkdir -p "$work/headers/$module" "$work/simulator" "$work/macos"
# In a folder of its own: a module map at the top of Headers collides with those of other frameworks in the same app.
cp "Sources/$module"/* "$work/headers/$module/"
built() { echo "$repository/target/$1/mobile/libfieldledger_ffi.a"; }
lipo -create "$(built aarch64-apple-ios-sim)" "$(built x86_64-apple-ios)" -output "$work/simulator/libfieldledger_ffi.a"
lipo -create "$(built aarch64-apple-darwin)" "$(built x86_64-apple-darwin)" -output "$work/macos/libfieldledger_ffi.a"

framework=$work/$module.xcframework
xcodebuild -create-xcframework \
    -library "$(built aarch64-apple-ios)" -headers "$work/headers" \
    -library "$work/simulator/libfieldledger_ffi.a" -headers "$work/headers" \
    -library "$work/macos/libfieldledger_ffi.a" -headers "$work/headers" \
    -output "$framework"
cp PrivacyInfo.xcprivacy "$framework/"
ditto -c -k --sequesterRsrc --keepParent "$framework" "$dist/$module.xcframework.zip"
checksum=$(swift package compute-checksum "$dist/$module.xcframework.zip")
./check-xcframework.py "$dist/$module.xcframework.zip" "$checksum"

package=$work/Fieldledger
mkdir -p "$package/Sources"
cp -R Sources/Fieldledger Sources/FieldledgerFFI "$package/Sources/"
# Without what only this repository has: the sample, the tests, the measurements.
sed -e "s#^let releasedCore = .*#let releasedCore = \"$url\"#" -e "s#^let releasedChecksum = .*#let releasedChecksum = \"$checksum\"#" \
    -e '/BEGIN only in the repository/,/END only in the repository/d' Package.swift >"$package/Package.swift"
cp "$repository"/LICENSE-* "$package/"
ditto -c -k --keepParent "$package" "$dist/Fieldledger-$version.zip"
rm -rf "$work"
echo "$checksum  $module.xcframework.zip" | tee "$dist/checksum.txt"
