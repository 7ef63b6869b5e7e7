# Runs as root inside the bench's machine; see tests/usb/run. Each check names what it saw.
set -u
export TMPDIR=/run/tmp HOME=/run/home
mkdir -p /run/home /run/p /run/out
FAILED=0
now() { cut -d' ' -f1 /proc/uptime; }
check() { # check WHAT COMMAND...
    local what=$1
    shift
    if "$@" > /run/said 2>&1; then echo "ok      $(now) $what"; else
        echo "FAILED  $(now) $what: $*"
        sed 's/^/        | /' /run/said | tail -n 25
        FAILED=1
    fi
}
says() { # says CODE TEXT COMMAND...: the exit code, and the words in what it writes
    local code=$1 text=$2 got=0
    shift 2
    timeout 60 "$@" > /run/words 2>&1 || got=$?
    cat /run/words
    echo "exit code $got"
    [ "$got" = "$code" ] && grep -qF -- "$text" /run/words
}
gadget() { # gadget NAME SERIAL: a phone's shape on the bus, its ADB function behind NAME
    local g=/sys/kernel/config/usb_gadget/$1
    mkdir "$g"
    echo 0x18d1 > "$g/idVendor"; echo 0x4ee7 > "$g/idProduct"
    mkdir "$g/strings/0x409" "$g/configs/c.1"
    echo "$2" > "$g/strings/0x409/serialnumber"
    echo Google > "$g/strings/0x409/manufacturer"; echo "Pixel 7a" > "$g/strings/0x409/product"
}
state() { cat "/sys/class/udc/$1/state"; }
plug() { # plug GADGET UDC: adbd reopens its endpoints each second while unplugged, so until it holds
    local g=/sys/kernel/config/usb_gadget/$1 tries=0
    while [ $tries -lt 60 ]; do
        echo "$2" > "$g/UDC" 2>/dev/null
        sleep 0.5
        [ "$(state "$2")" = configured ] && [ "$(cat "$g/UDC")" = "$2" ] && return 0
        tries=$((tries + 1))
    done
    return 1
}
unplug() { echo "" > "/sys/kernel/config/usb_gadget/$1/UDC"; }

/run/load dummy_hcd num=2
/run/load usb_f_fs
/run/load usb_f_mass_storage
mount -t configfs none /sys/kernel/config
echo "booted $(now)"

# What is no phone.
check "nothing on USB: named, with a next step" says 10 "another cable" "$RESCUE" doctor
gadget disk NOPHONE
echo 0x0781 > /sys/kernel/config/usb_gadget/disk/idVendor
mkdir /sys/kernel/config/usb_gadget/disk/functions/mass_storage.0
ln -s /sys/kernel/config/usb_gadget/disk/functions/mass_storage.0 /sys/kernel/config/usb_gadget/disk/configs/c.1/
echo dummy_udc.0 > /sys/kernel/config/usb_gadget/disk/UDC
sleep 1
check "a disk is configured on the bus" test "$(state dummy_udc.0)" = configured
check "a disk is no phone" says 10 "nothing on usb" "$RESCUE" doctor
unplug disk

# A phone that has not allowed this computer.
gadget one LAB0000001
mkdir /sys/kernel/config/usb_gadget/one/functions/ffs.one
ln -s /sys/kernel/config/usb_gadget/one/functions/ffs.one /sys/kernel/config/usb_gadget/one/configs/c.1/
mkdir -p /dev/usb-ffs/adb
mount -t functionfs one /dev/usb-ffs/adb
mkdir -p /run/sd/DCIM/Camera
head -c 67108864 /dev/urandom > /run/sd/DCIM/Camera/big.jpg
head -c 5000000 /run/sd/DCIM/Camera/big.jpg | split -b 10000 -a 3 -d --additional-suffix=.jpg - /run/sd/DCIM/Camera/IMG_
echo "data made $(now)"
mkdir -p /storage/emulated
ln -sfn /run/sd /storage/emulated/0
echo ro.adb.secure=1 > /run/p/props
ADBD_PROPS=/run/p/props ADB_KEYS_FILE=/run/p/keys "$BENCH/adbd" > /io/adbd.txt 2>&1 &
check "phone plugged in" plug one dummy_udc.0
check "listed without a server, once" says 0 LAB0000001 "$RESCUE" devices
check "listed once" test "$(grep -c LAB0000001 /run/words)" = 1
check "unauthorized: named, exit code 11" says 11 "Allow USB debugging" "$RESCUE" doctor
check "no permission: named, exit code 12" says 12 "udev-rules" setpriv --reuid 1000 --regid 1000 --clear-groups "$RESCUE" doctor

cat /run/home/.android/adbkey.pub > /run/p/keys
unplug one
check "phone plugged in again" plug one dummy_udc.0
check "authorized: ready" says 0 "straight over USB" "$RESCUE" doctor

pull() { # pull NAME ARGUMENTS...: seconds in /run/seconds
    local begin end folder=/run/out/$1
    shift
    begin=$(now)
    timeout 200 "$RESCUE" pull -o "$folder" --root /storage/emulated/0/DCIM --all "$@" || return
    end=$(now)
    echo "$begin $end" | awk '{ printf "%.2f", $2 - $1 }' > /run/seconds
}
same() { diff -r /run/sd/DCIM "/run/out/$1/data/internal/DCIM"; }
check "pulled over USB" pull all
check "identical" same all
rm -rf /run/out/all

figure() { echo "$1: $(cat /run/seconds) s" | tee -a /io/figures.txt; }
check "pull of 64 MiB" pull big --include '**/big.jpg'
figure "rescue pull over USB, 64 MiB, verified"
check "pull of 64 MiB, not verified" pull big2 --include '**/big.jpg' --no-verify
figure "rescue pull over USB, 64 MiB, not verified"
check "pull of 500 files" pull small --exclude '**/big.jpg'
figure "rescue pull over USB, 500 files of 10 kB, verified"
rm -rf /run/out/big /run/out/big2 /run/out/small

# The cable is pulled in the middle of a pull, and comes back.
for round in 1 2 3; do
    (sleep "$round.$((RANDOM % 9))"; unplug one; sleep 1; plug one dummy_udc.0) & cable=$!
    check "unplugged in a pull ($round), replugged" pull "yank$round"
    wait $cable
    check "identical after it" same "yank$round"
    rm -rf "/run/out/yank$round"
done

# An adb server that has the phone.
adb start-server > /dev/null 2>&1
timeout 20 adb wait-for-device
check "a phone that the server has is listed once" says 0 device "$RESCUE" devices
check "listed once" test "$(grep -c LAB0000001 /run/words)" = 1
check "through the server: said so" says 0 "through the adb server" "$RESCUE" doctor
adb_pull() {
    local begin end
    begin=$(now)
    timeout 200 adb pull "$1" "/run/out/$2" > /dev/null || return
    end=$(now)
    echo "$begin $end" | awk '{ printf "%.2f", $2 - $1 }' > /run/seconds
}
check "adb pull of 64 MiB" adb_pull /run/sd/DCIM/Camera/big.jpg big
figure "adb pull over USB, 64 MiB"
mkdir /run/small
mv /run/sd/DCIM/Camera/IMG_* /run/small/
check "adb pull of 500 files" adb_pull /run/small small
figure "adb pull over USB, 500 files of 10 kB"
check "busy: named, with its holder" says 1 "held by adb" env ANDROID_ADB_SERVER_PORT=5999 "$RESCUE" doctor
adb kill-server > /dev/null 2>&1
sleep 1
check "free again" says 0 "straight over USB" "$RESCUE" doctor
echo "done $(now)"
exit $FAILED
