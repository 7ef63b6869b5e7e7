#!/bin/bash
# build.sh OUT SOURCE HEADERS LIBRARIES: AOSP's pairing server from its source, without protobuf (stub/),
# linked with the libraries of Debian 13, under whose loader it runs.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$1 SOURCE=$2 HEADERS=$3 LIBRARIES=$4
A=$SOURCE/packages/modules/adb
O=$(mktemp -d); trap 'rm -rf "$O"' EXIT
export CPP="-std=c++20 -O1 -w -D_GNU_SOURCE -DADB_HOST=0 -DANDROID_BASE_UNIQUE_FD_DISABLE_IMPLICIT_CONVERSION=1 -I$HERE/stub
    -I$A -I$A/pairing_connection -I$A/pairing_connection/include -I$A/pairing_auth/include -I$A/crypto/include -I$A/tls/include
    -I$SOURCE/system/libbase/include -I$SOURCE/system/logging/liblog/include -I$SOURCE/system/core/libcutils/include
    -I$SOURCE/system/core/include -I$SOURCE/system/core/libcrypto_utils/include -I$HEADERS
    -include condition_variable -include mutex -include sys/stat.h -include cstdint -include cstring -include algorithm -include optional"
printf '%s\n' "$HERE/main.cpp" "$A"/{pairing_connection,pairing_auth,crypto,tls}/*.cpp "$SOURCE/system/core/libcrypto_utils/android_pubkey.cpp" |
    xargs -P "$(nproc)" -I{} sh -c "g++ \$CPP -c {} -o $O/\$(basename {} .cpp).o || { echo 'failed: {}' >&2; exit 255; }"
g++ -o "$OUT" "$O"/*.o "$LIBRARIES"/{libssl.so.0,libcrypto.so.0,libbase.so.0,liblog.so.0,libcutils.so.0} -Wl,--allow-shlib-undefined -lpthread
