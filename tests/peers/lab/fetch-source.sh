#!/bin/bash
# fetch-source.sh DIR PACKAGE VERSION [--tar-only]: a source package of Debian 12 into DIR, checked
# by apt against Debian's signed index. Uses package lists of its own, so it needs no root and
# leaves the machine's sources.list alone.
set -euo pipefail
DIR=$1 PACKAGE=$2 VERSION=$3 ONLY=${4:-}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# The mirror that the machine uses already.
SOURCES=$(apt-get indextargets --format 'deb-src [signed-by='$KEYRING'] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Release: bookworm' 'Component: main' | sort -u)
[ -n "$SOURCES" ] || {
    echo "$PACKAGE $VERSION comes from Debian 12 (bookworm), which this machine does not use" >&2; exit 1; }
mkdir -p "$DIR/apt/lists/partial" "$DIR/apt/cache/archives/partial"
printf '%s\n' "$SOURCES" > "$DIR/apt/sources.list"
apt() {
    apt-get -o "Dir::Etc::SourceList=$DIR/apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$DIR/apt/lists" \
        -o "Dir::Cache=$DIR/apt/cache" -o APT::Sandbox::User="$(id -un)" -q=2 "$@"
}
cd "$DIR"
[ -n "$(find apt/lists -name '*_Sources*' -mmin -600 -print -quit)" ] || apt update
apt source --download-only $ONLY "$PACKAGE=$VERSION" >/dev/null
