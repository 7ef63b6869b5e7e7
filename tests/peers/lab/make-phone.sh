#!/bin/bash
# make-phone.sh ROOT ADBD TOYBOX ADBD34: the read-only system of a phone, from these two programs, the
# stand-ins beside this script and Debian's mksh; and the folder of a newer daemon, which has a loader and
# libraries of its own.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
R=$1 ADBD=$2 TOYBOX=$3 ADBD34=$4
umask 022
rm -rf "$R"; mkdir -p "$R"; cd "$R"
mkdir -p system/{bin,etc,lib64,xbin} vendor/bin product/bin apex data storage proc dev mnt/user/0 sys lib64
ln -s /system/bin bin
ln -s /system/etc etc
ln -s /storage/self/primary sdcard
ln -s /storage/self/primary mnt/sdcard
ln -s /storage/emulated/0 mnt/user/0/primary
ln -s /data/user_de/0/com.android.shell/files/bugreports bugreports

# A program, and its shared libraries at the paths where its loader looks.
put() {
    install -m755 "$1" "system/bin/$2"
    ldd "$1" | awk '/=> \//{print $3} /^\t\/lib64/{print $1}' | while read -r l; do
        [ -e "$R$l" ] || install -D -m755 "$(readlink -f "$l")" "$R$l"
    done
}
put "$ADBD" adbd
put "$TOYBOX" toybox
mkdir system/adbd34
cp -r "$ADBD34"/{adbd,adbd-auth,adbd-tls,lib} system/adbd34/
install -m755 "$(readlink -f /bin/mksh-static)" system/bin/mksh
ln -s mksh system/bin/sh
for a in $("$TOYBOX"); do [ -e "system/bin/$a" ] || ln -s toybox "system/bin/$a"; done
install -m755 "$HERE"/standins/* system/bin/

# bionic makes these up from android_ids; glibc reads them from files
cat > system/etc/passwd <<'P'
root:x:0:0::/:/system/bin/sh
system:x:1000:1000::/:/system/bin/sh
media_rw:x:1023:1023::/:/system/bin/sh
shell:x:2000:2000::/:/system/bin/sh
u0_a123:x:10123:10123::/:/system/bin/sh
P
cat > system/etc/group <<'P'
root:x:0:
system:x:1000:
input:x:1004:
log:x:1007:
adb:x:1011:
sdcard_rw:x:1015:
media_rw:x:1023:
sdcard_r:x:1028:
everybody:x:9997:
shell:x:2000:
net_bt_admin:x:3001:
net_bt:x:3002:
inet:x:3003:
net_bw_stats:x:3006:
readproc:x:3009:
uhid:x:3011:
u0_a123:x:10123:
P
cat > system/etc/mkshrc <<'P'
: ${HOSTNAME:=$(getprop ro.product.device)}; PS1='$USER@$HOSTNAME:${PWD:-?} $ '
P
cat > system/build.prop <<'P'
ro.product.name=lynx
ro.product.model=Pixel 7a
ro.product.device=lynx
ro.product.brand=google
ro.product.manufacturer=Google
ro.product.cpu.abi=arm64-v8a
ro.build.version.release=10
ro.build.version.sdk=29
ro.build.fingerprint=google/lynx/lynx:10/QQ3A.200805.001/6578210:user/release-keys
ro.serialno=LAB0000001
ro.boot.serialno=LAB0000001
ro.debuggable=0
ro.secure=1
ro.adb.secure=1
ro.sf.lcd_density=420
persist.sys.timezone=Europe/Paris
sys.boot_completed=1
P
