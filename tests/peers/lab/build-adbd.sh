#!/bin/bash
# build-adbd.sh OUT SOURCES [TRANSPORT]: AOSP's own phone daemon (Android 10/11 era, platform-tools 29.0.6) for
# this Linux machine, from Debian 12's source package android-platform-tools. Debian ships no
# binary of it, but its code is in the tarball.
#   OUT      the binary        SOURCES  folder that keeps the tarballs between builds (76 MB)
#   TRANSPORT  tcp, or usb for one that also serves functionfs, with stubs-usb.patch
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$1 SOURCES=$2 TRANSPORT=${3:-tcp}
case $TRANSPORT in
tcp) USB="daemon/usb_dummy" ASYNC="" ;;
usb) USB="daemon/usb daemon/usb_ffs daemon/usb_legacy" ASYNC="system/core/libasyncio/AsyncIO.cpp" ;;
*) echo "no transport: $TRANSPORT" >&2; exit 2 ;;
esac
VER=29.0.6-28
[ -s "$SOURCES/android-platform-tools_$VER.debian.tar.xz" ] ||
    "$HERE/fetch-source.sh" "$SOURCES" android-platform-tools $VER
WORK=$(mktemp -d); trap 'rm -rf "$WORK"' EXIT
cd "$WORK"

# Only the folders that are compiled or included: 8 of the tarball's 240 MB.
T=android-platform-tools-29.0.6
tar -xzf "$SOURCES"/android-platform-tools_29.0.6.orig.tar.gz \
    $T/system/core/{adb,base,libcutils/include,liblog/include,libcrypto_utils,libasyncio,diagnose_usb,include,libutils/include,libsystem/include} \
    $T/frameworks/native/libs/adbd_auth
tar -xJf "$SOURCES"/android-platform-tools_$VER.debian.tar.xz debian/patches
cd $T
# Debian's patches, those hunks whose file was unpacked; then our own.
for p in $(grep -E '^(system/core|cve)/' ../debian/patches/series); do
    awk '/^diff --git |^Index: /{f=0}
         /^--- /{h=$0; next}
         /^\+\+\+ /{n=$2; sub(/^[^\/]*\//,"",n); f=(system("test -f " n)==0); if(f)print h}
         f' "../debian/patches/$p" | patch -p1 -s -f --no-backup-if-mismatch >/dev/null ||
        { echo "patch $p failed" >&2; exit 1; }
done
patch -p1 -s < "$HERE/stubs/adbd.patch"
[ "$TRANSPORT" = tcp ] || patch -p1 -s < "$HERE/stubs-usb.patch"

A=system/core/adb
SRC="$(for f in adb adb_io adb_listeners adb_trace adb_unique_fd adb_utils \
        fdevent/fdevent fdevent/fdevent_poll fdevent/fdevent_epoll services sockets socket_spec \
        sysdeps/errno transport transport_fd transport_local transport_usb types sysdeps_unix \
        sysdeps/posix/network shell_service_protocol adbconnection/adbconnection_server \
        daemon/auth daemon/jdwp_service $USB daemon/file_sync_service daemon/services \
        daemon/shell_service daemon/main; do echo $A/$f.cpp; done)
     system/core/libcrypto_utils/android_pubkey.c
     system/core/diagnose_usb/diagnose_usb.cpp
     $ASYNC
     frameworks/native/libs/adbd_auth/adbd_auth.cpp
     $HERE/stubs/android.cpp"
export CPP="${OPT:--O2} -w -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DNDEBUG -fno-strict-aliasing -fno-exceptions
     -DADB_HOST=0 -DPAGE_SIZE=4096 -fpermissive -DALLOW_ADBD_ROOT=1 -DALLOW_ADBD_NO_AUTH -DPLATFORM_TOOLS_VERSION=\"29.0.6\"
     -I$HERE/stubs/include -I$A -I$A/daemon/include
     -I$A/adbconnection/include -Isystem/core/base/include -Isystem/core/libcutils/include
     -Isystem/core/liblog/include -Isystem/core/libcrypto_utils/include
     -Isystem/core/libasyncio/include -Isystem/core/diagnose_usb/include -Isystem/core/libutils/include -Isystem/core/libsystem/include
     -Isystem/core/include
     -Iframeworks/native/libs/adbd_auth/include -I/usr/include/android"
mkdir -p o
cp "$HERE/stubs/prelude.h" o/prelude.h
g++ -std=gnu++2a $CPP -x c++-header o/prelude.h -o o/prelude.h.gch
echo $SRC | tr ' ' '\n' | xargs -P "$(nproc)" -I{} sh -c '
    case {} in *.c) cc="gcc";; *) cc="g++ -std=gnu++2a -include o/prelude.h";; esac
    $cc $CPP -c {} -o o/$(echo {} | tr / _).o || { echo "failed: {}" >&2; exit 255; }'
L=/usr/lib/$(gcc -print-multiarch)/android
g++ -o adbd o/*.o -L"$L" -Wl,-rpath,"$L" -lbase -lcutils -llog -lcrypto -lpthread -lresolv -lutil
strip adbd
install -D -m755 adbd "$OUT"
"$OUT" --version
