#!/bin/bash
# build.sh OUT SOURCES: what a phone of Android 14 has more than one of Android 10, in the folder OUT:
#   adbd       Debian's own binary, which asks for no key
#   adbd-auth  the same, and asks (variants.py)
#   adbd-tls   the same, and listens as wireless debugging does: TLS, and known keys only
#   lib/       its loader, its libraries and what a phone gives a daemon (phone-libc.cpp)
#   pair       AOSP's pairing server (pairing/), which is not a part of adbd
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$1 SOURCES=$2
"$HERE/fetch.sh" "$SOURCES"
rm -rf "$OUT"; mkdir -p "$OUT/lib"
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
for deb in "$SOURCES"/debs/*.deb; do dpkg-deb -x "$deb" "$W/x"; done
mkdir "$W/lib"
find "$W"/x/usr/lib/x86_64-linux-gnu -maxdepth 2 \( -path '*/android/*' -o -path '*-linux-gnu/lib*' -o -name 'ld-linux*' \) \
    -name '*.so.*' -exec cp -L -t "$W/lib" {} +
install -m755 "$W/x/usr/lib/android-sdk/platform-tools/adbd" "$OUT/adbd"
/usr/bin/python3 "$HERE/variants.py" "$OUT/adbd" "$OUT"
chmod 755 "$OUT"/adbd-*
g++ -O2 -Wall -shared -fPIC -o "$OUT/lib/phone-libc.so" "$HERE/phone-libc.cpp"

mkdir "$W/source"
tar -xJf "$(find "$SOURCES/source" -name 'android-platform-tools_*.orig.tar.xz')" -C "$W/source" \
    ./packages/modules/adb ./system/libbase/include ./system/logging/liblog/include ./system/core/{include,libcutils/include,libcrypto_utils}
"$HERE/pairing/build.sh" "$OUT/pair" "$W/source" "$W/x/usr/include/android" "$W/lib"

# Those libraries that are used. One less, and the phone would end without a word.
LOADER=ld-linux-x86-64.so.2
cp "$W/lib/$LOADER" "$OUT/lib/"
for program in adbd pair; do
    "$W/lib/$LOADER" --inhibit-cache --library-path "$W/lib" --list "$OUT/$program" | grep '=>' | while read -r name _ path _; do
        case $path in
        "$W/lib/$LOADER") ;;
        "$W"/lib/*) cp "$path" "$OUT/lib/" ;;
        *) echo "$program needs $name, which fetch.sh does not fetch" >&2; exit 1 ;;
        esac
    done
done
