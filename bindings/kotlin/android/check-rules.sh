#!/usr/bin/env bash
# Runs R8 with the rules that the AAR brings along over the sample and its libraries, full mode, as an app's release build does, and
# plays the scripted day with what is left.
#
#   check-rules.sh     (after test.sh of the folder above, which builds the sample; FIELDLEDGER_LIB_DIR and FIELDLEDGER_BIN as there)
#
# The result runs on the JVM: it shows that the rules keep what JNA and UniFFI look for by name, not that ART runs it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out="$here/build/rules"
rm -rf "$out"
mkdir -p "$out"
mvn -B -q -ntp dependency:copy -Dartifact=com.android.tools:r8:9.5.28 -DoutputDirectory="$out"
home=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.home = //p')
echo '-keep class com.fieldledger.sample.RepKt { public static void main(java.lang.String[]); }' >"$out/app.pro"
java -cp "$out"/r8-*.jar com.android.tools.r8.R8 --release --classfile --lib "$home" --pg-conf "$here/consumer-rules.pro" \
    --pg-conf "$out/app.pro" --output "$out/rep.jar" "$here"/../sample/target/rep.jar "$here"/../sample/target/lib/*.jar
before=$(cat "$here"/../sample/target/rep.jar "$here"/../sample/target/lib/*.jar | wc -c)
echo "R8 has left $(wc -c <"$out/rep.jar") of $before bytes"
# shellcheck disable=SC2016 # for the shell that runs it
printf '#!/bin/sh\nexec java -Djna.library.path="$FIELDLEDGER_LIB_DIR" -cp "%s" com.fieldledger.sample.RepKt "$@"\n' "$out/rep.jar" >"$out/rep"
chmod +x "$out/rep"
"$here/../../same-day.sh" "" "$out/rep" ""
