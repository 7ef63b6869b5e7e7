#!/bin/bash
# fetch.sh DIR: into DIR/debs the packages of Debian 13's adbd, which is AOSP's of Android 14 (34), with the
# libraries that it needs, and into DIR/source the source that they were built from. Debian 13 is a stable
# release, whose packages stay: they are fetched by name, in whatever version it has now. apt checks them
# against Debian's signed index, with lists of its own; nothing is installed.
set -euo pipefail
DIR=$1
RELEASE=trixie
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
PACKAGES="adbd android-libbase android-libboringssl android-libboringssl-dev android-libcutils android-liblog
    libbrotli1 libc6 libcap2 libgcc-s1 liblz4-1 libprotobuf32t64 libstdc++6 libsystemd0 libxxhash0 libzstd1 zlib1g"
unavailable() { echo "AOSP's adbd of Android 14 comes from Debian 13 ($RELEASE), package adbd: $1" >&2; exit 1; }

[ "$(dpkg --print-architecture)" = amd64 ] || unavailable "it is changed by one instruction of amd64, and this is $(dpkg --print-architecture)"
# The mirror that the machine uses already.
MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Release: bookworm' 'Component: main' | sort -u | head -1)
[ -n "$MIRROR" ] || unavailable "this machine uses no mirror of Debian 12, which would have it"
mkdir -p "$DIR"/{apt/lists/partial,apt/cache/archives/partial,debs,source}
cd "$DIR"
printf '%s\n' "deb [signed-by=$KEYRING] $MIRROR $RELEASE main" "deb-src [signed-by=$KEYRING] $MIRROR $RELEASE main" > apt/sources.list
apt() {
    apt-get -o "Dir::Etc::SourceList=$DIR/apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$DIR/apt/lists" \
        -o Dir::State::Status=/dev/null -o "Dir::Cache=$DIR/apt/cache" -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -q=2 "$@"
}
[ -n "$(find apt/lists -name '*_Packages*' -mmin -600 -print -quit)" ] ||
    apt update --error-on=any || unavailable "no list of its packages at $MIRROR"
rm -f debs/*.deb
# shellcheck disable=SC2086
(cd debs && apt download $PACKAGES) || unavailable "not to be had from $MIRROR"
(cd source && apt source --download-only android-platform-tools > /dev/null) || unavailable "its source is not to be had from $MIRROR"
