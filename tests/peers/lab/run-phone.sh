#!/bin/bash
# run-phone.sh PORT STATE: one phone on 127.0.0.1:PORT, in the foreground. Its standard input is its
# life line: when that closes (Ctrl-D, or the end of the program that holds it) or the process is
# killed, the phone ends and everything that runs in it. Needs root, for the namespaces.
#   STATE     its /data and /storage, kept between runs, made at the first; files may be put into
#             STATE/storage/... at any time; the daemon's log is STATE/adbd.log
#   NOAUTH=1  no key is asked for (ro.adb.secure=0)     KEYS=FILE  public keys already allowed
#   AS_ROOT=1 the daemon keeps root                     PROPERTIES="name=value ..."  system properties
#   NEW=1     Debian's binary of Android 14's daemon; with WIRELESS=1 it listens as wireless debugging does,
#             encrypted and for known keys only
#   OLD=BYTES a daemon from before Android 7, with payloads of at most so many bytes: 4096 for the
#             oldest, 262144 for Android 6
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
PORT=$1 STATE=$2
PEERS=$(cd "$HERE/../../.." && pwd)/target/peers
if [ ! -d "$STATE/storage" ]; then
    umask 022
    mkdir -p "$STATE"/storage/{self,emulated/0,1A2B-3C4D} "$STATE"/data/{property,misc/adb,local/tmp,app,lab}
    E=$STATE/storage/emulated/0; S=$STATE/storage/1A2B-3C4D
    ln -s /storage/emulated/0 "$STATE/storage/self/primary"
    mkdir -p "$E"/{DCIM/{Camera,Screenshots,.thumbnails},Pictures,Movies,Music,Download,Documents,Alarms,Android/{data,obb,media/com.whatsapp/WhatsApp/Media/{WhatsApp\ Images/Sent,WhatsApp\ Video,.Statuses}}} "$S"/DCIM/Camera
    : > "$E/DCIM/.thumbnails/.nomedia"
    mkdir -p "$E/Android/data/com.secret.app/files"
    chown -R 0:1015 "$STATE"/storage; find "$STATE"/storage -type d -exec chmod 771 {} +
    chmod 711 "$STATE/storage/emulated"; chmod 755 "$STATE/storage"
    chown -R 10123:10123 "$E/Android/data/com.secret.app"; chmod 700 "$E/Android/data/com.secret.app"
    chown 2000:2000 "$STATE"/data/local/tmp "$STATE"/data/lab "$STATE"/data/property
    chmod 771 "$STATE"/data/local "$STATE"/data/local/tmp
    L=$STATE/data/lab; mkdir -p $L/{dumpsys,settings}; chmod 777 $L $L/settings
    cat > $L/dumpsys/battery <<'B'
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  status: 2
  health: 2
  present: true
  level: 73
  scale: 100
  voltage: 4123
  temperature: 291
  technology: Li-ion
B
    printf '%s\n' 'com.android.settings 1000 /system/priv-app/Settings/Settings.apk' \
        'com.google.android.apps.photos 10140 /data/app/com.google.android.apps.photos-1/base.apk' \
        'com.whatsapp 10123 /data/app/com.whatsapp-2/base.apk' > $L/packages
    printf 'adb_enabled=1\ndevice_name=Pixel 7a\nstay_on_while_plugged_in=0\n' > $L/settings/global
    base64 -d > $L/screen.png <<< iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
    : > $L/commands.log; chmod 666 $L/* 2>/dev/null || true; chmod 777 $L/settings $L/dumpsys
fi
: > "$STATE/data/property/props"; chown 2000:2000 "$STATE/data/property/props"
{
    [ -z "${NOAUTH:-}" ] || echo ro.adb.secure=0
    [ -z "${OLD:-}" ] || printf '%s\n' "lab.adb.old=$OLD" ro.build.version.release=6.0.1 ro.build.version.sdk=23
    [ -z "${NEW:-}" ] || printf '%s\n' ro.build.version.release=14 ro.build.version.sdk=34 \
        ro.build.fingerprint=google/lynx/lynx:14/UQ1A.231205.015/11084887:user/release-keys
    printf '%s\n' ${PROPERTIES:-}
} >> "$STATE/data/property/props"
[ -z "${KEYS:-}" ] || { cat "$KEYS"; echo; } | grep . >> "$STATE/data/misc/adb/adb_keys"
chmod 755 "$STATE/data/misc" "$STATE/data/misc/adb"; [ ! -e "$STATE/data/misc/adb/adb_keys" ] || chmod 644 "$STATE/data/misc/adb/adb_keys"
if [ -n "${NEW:-}" ]; then
    export ADBD34=adbd-auth
    [ -z "${NOAUTH:-}" ] || ADBD34=adbd
    [ -z "${WIRELESS:-}" ] || ADBD34=adbd-tls
fi
exec "$PEERS/phone-init" "$PEERS/phone" "$STATE" "$PORT" > "$STATE/adbd.log" 2>&1
