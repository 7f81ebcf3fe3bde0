#!/bin/sh
# Copies the jars of one OpenSearch node into $1 (default var/opensearch), which rialto.testing.servers.opensearch_server() starts;
# about 70 MB. Needs Maven and a Java with its compiler. OpenSearch 3.2 where a Java 21 or later is found, else 2.19 on Java 17.
# A folder that is complete already is left alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=${1:-var/opensearch}

# The newest Java with a compiler: prints "VERSION HOME".
newest() {
    for javac in "${JAVA_HOME:-}/bin/javac" "$(command -v javac || true)" /usr/lib/jvm/*/bin/javac; do
        [ -x "$javac" ] || continue
        version=$("$javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
        [ -z "$version" ] || echo "$version $javac"
    done | sort -n | tail -n 1
}

found=$(newest)
if [ "${found%% *}" -ge 21 ] 2>/dev/null; then release=3.2.0.0; else release=2.19.1.0; fi
if [ -z "$found" ] || [ "${found%% *}" -lt 17 ]; then
    echo "OpenSearch needs a Java 17 or later with its compiler: apt-get install default-jdk-headless" >&2
    exit 1
fi
stamp=$(cat "$here/pom.xml" "$here/Node.java" | cksum)
if [ "$(cat "$into/.complete" 2>/dev/null || true)" = "$release $stamp" ]; then
    echo "OpenSearch's jars are in $into already."
    exit 0
fi
mkdir -p "$into"
into=$(cd "$into" && pwd)
rm -rf "$into/.complete" "$into/knn" "$into/classes" "$into"/*.jar
maven() { mvn --quiet --batch-mode -f "$here/pom.xml" -Dopensearch="$release" "$@"; }
maven dependency:copy-dependencies -DexcludeTypes=zip -DoutputDirectory="$into"
maven dependency:unpack-dependencies -DincludeTypes=zip -DoutputDirectory="$into/knn" -DmarkersDirectory="$into/knn/markers"
for jar in "$into"/knn/*.jar; do # what the server has too must be there once
    [ -e "$into/${jar##*/}" ] || mv "$jar" "$into"
done
rm -rf "$into/knn"
"${found#* }" -nowarn --release 17 -d "$into/classes" -cp "$into/*" "$here/Node.java"
echo "$release $stamp" > "$into/.complete"
echo "OpenSearch's jars are in $into."
