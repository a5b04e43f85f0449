#!/usr/bin/env bash
# Type-checks the sources for Android without an Android SDK: against Android's classes and WorkManager as Maven has them.
#
#   check-sources.sh     (after test.sh of the folder above, which builds and installs what they use)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out="$here/build/check"
rm -rf "$out"
mkdir -p "$out/classpath"
mvn -B -q -f "$here/check.pom.xml" dependency:copy-dependencies -DoutputDirectory="$out/artifacts"
for archive in "$out"/artifacts/*.aar; do
    [ -f "$archive" ] || continue
    (cd "$out/classpath" && jar xf "$archive" classes.jar && mv classes.jar "$(basename "$archive" .aar).jar")
done
compiler=$(printf '%s:' "$out"/artifacts/*.jar)
classpath=$(printf '%s:' "$out"/classpath/*.jar "$out"/artifacts/*.jar)
java -cp "$compiler" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler -no-stdlib -no-reflect -jvm-target 11 -Xexplicit-api=strict \
    -Werror -classpath "$classpath" -d "$out/classes" "$here/src/main/kotlin"
count=$(find "$out/classes" -name '*.class' | wc -l)
[ "$count" -gt 0 ]
echo "$count classes compile"
