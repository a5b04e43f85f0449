#!/usr/bin/env bash
# Runs the built sample: rep.sh FOLDER COMMAND …; see README.md beside this folder. FIELDLEDGER_LIB_DIR holds the library.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ -f "$here/sample/target/rep.jar" ] || { echo "The sample is not built: run $here/test.sh, or mvn package." >&2; exit 1; }
exec java -Djna.library.path="${FIELDLEDGER_LIB_DIR:?the folder that holds the library}" -jar "$here/sample/target/rep.jar" "$@"
