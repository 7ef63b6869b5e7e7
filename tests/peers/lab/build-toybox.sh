#!/bin/bash
# build-toybox.sh OUT SOURCES: toybox as on a phone, from Debian's source package: with the applets
# that Android's build adds to the default set (Debian's binary lacks dd, tr and others), and
# hashing with BoringSSL, which makes sha256sum twelve times faster than toybox's own C code.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$1 SOURCES=$2
VERSION=0.8.9+dfsg
[ -s "$SOURCES/toybox_$VERSION.orig.tar.xz" ] || "$HERE/fetch-source.sh" "$SOURCES" toybox $VERSION-1 --tar-only
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
tar -xJf "$SOURCES/toybox_$VERSION.orig.tar.xz" --strip-components=1
make defconfig >/dev/null 2>&1
for o in DD TR DIFF EXPR GETFATTR MORE STTY LSOF TOYBOX_LIBCRYPTO; do
    sed -i "s/^# CONFIG_$o is not set/CONFIG_$o=y/" .config
done
# Its TLS would pull libssl in; no phone of ours fetches anything.
sed -i 's/^CONFIG_WGET=y/# CONFIG_WGET is not set/' .config
make oldconfig </dev/null >/dev/null 2>&1
L=/usr/lib/$(gcc -print-multiarch)/android
CFLAGS=-I/usr/include/android LDFLAGS="-L$L -Wl,-rpath,$L" make -j"$(nproc)" >make.log 2>&1 || { tail -20 make.log >&2; exit 1; }
# A phone hashes with the library; a silent fall-back would make every measurement wrong.
# (No pipe into `grep -q`: it leaves at the first match, and with pipefail the writer's SIGPIPE
# counts as no match.)
case $(ldd ./toybox) in
    *android/libcrypto.so*) ;;
    *) echo "toybox was built without BoringSSL" >&2; exit 1 ;;
esac
install -D -m755 toybox "$OUT"
"$OUT" --version
