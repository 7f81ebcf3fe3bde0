#!/bin/sh
# Copies the jars of one Kafka node into $1 (default var/kafka), which rialto.testing.servers.kafka_broker() starts; about 45 MB.
# Needs Maven and Java 17. A folder that is complete already is left alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=${1:-var/kafka}
if [ -e "$into/.complete" ] && cmp -s "$into/.complete" "$here/pom.xml"; then
    echo "Kafka's jars are in $into already."
    exit 0
fi
mkdir -p "$into"
rm -f "$into/.complete" "$into"/*.jar
mvn --quiet --batch-mode -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$(cd "$into" && pwd)"
cp "$here/pom.xml" "$into/.complete"
echo "Kafka's jars are in $into."
