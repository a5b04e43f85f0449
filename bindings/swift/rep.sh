#!/usr/bin/env bash
# Runs the sample that test.sh built: bindings/swift/rep.sh FOLDER COMMAND... (see Sample/Rep.swift).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
folder=$(realpath -m "$1")
shift
parent=$(dirname "$folder")
mkdir -p "$parent"
[ -x "$here/.build/debug/rep" ] || { echo "the sample is not built: run bindings/swift/test.sh first" >&2; exit 1; }
FIELDLEDGER_SHARE=$parent exec "$here/with-swift.sh" .build/debug/rep "$folder" "$@"
