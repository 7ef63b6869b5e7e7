# What the scenes of tests/usb/scenes/ stand on; runs as root inside the bench's machine, see
# tests/usb/run. A scene is a file of shell that makes its phones with the functions below, checks
# what is seen, and may leave everything plugged in: after each scene all is taken away.
set -u
FAILED=0

now() { cut -d' ' -f1 /proc/uptime; }

# scene NAME: plays it, in a shell of its own.
scene() {
    local begin
    begin=$(now)
    echo "-- $1"
    mkdir -p /run/scene/tmp /run/scene/home
    (
        export TMPDIR=/run/scene/tmp HOME=/run/scene/home
        FAILED=0
        own_key
        cd /run/scene || exit 1
        . "$PROJECT/tests/usb/scenes/$1.sh"
        exit $FAILED
    ) || { FAILED=1; echo "$1" >> /io/failed; tail -n 4 /run/*.log 2>/dev/null; }
    [ ! -s /run/jumps ] || { echo "$1" >> /io/jumped; echo "the clock jumped: $(tr '\n' ' ' < /run/jumps)"; : > /run/jumps; }
    clear_away
    echo "-- $1: $(echo "$begin $(now)" | awk '{ printf "%.1f", $2 - $1 }') s"
}

# note_jumps: says in /run/jumps where the clock was ahead by seconds at once: the machine was stopped.
note_jumps() {
    local before after
    before=$(now)
    while sleep 0.5; do
        after=$(now)
        echo "$before $after" | awk '$2 - $1 > 8 { print $1 "-" $2 }' >> /run/jumps
        before=$after
    done
}

# in_short: what --short plays ends here: `in_short && return`.
in_short() { [ "$SHORT" = 1 ]; }

# own_key: this computer's key is there, and nothing else of it is remembered. To make one takes this
# machine half a minute.
own_key() {
    rm -rf "$HOME/.android" "$HOME/.local"
    mkdir -p "$HOME/.android"
    install -m600 "$PROJECT/fixtures/adbkey" "$HOME/.android/adbkey"
}

# check WHAT COMMAND...: one thing that has to be so.
check() {
    local what=$1
    shift
    if "$@" > /run/said 2>&1; then echo "ok      $(now) $what"; else
        echo "FAILED  $(now) $what: $*"
        sed 's/^/        | /' /run/said | tail -n 30
        FAILED=1
    fi
}

# says CODE TEXT COMMAND...: the exit code, and the words in what it writes (kept in /run/words).
says() {
    local code=$1 text=$2 got=0
    shift 2
    timeout "${LIMIT:-150}" "$@" > /run/words 2>&1 || got=$?
    cat /run/words
    echo "exit code $got"
    [ "$got" = "$code" ] && grep -qF -- "$text" /run/words
}

# reads NAME CODE COMMAND...: the exit code, and every word as in tests/usb/texts/NAME.txt; numbers that
# differ from run to run are cut out. It runs where the disk has room, or in the folder $ROOM.
reads() {
    local name=$1 code=$2 got=0
    shift 2
    (cd "${ROOM:-/io}" && timeout 150 "$@") > /run/words 2>&1 || got=$?
    { cat /run/words; echo "exit code $got"; } | sed -E \
        -e 's/process [0-9]+/process N/; s/(F|f)ingerprint ([0-9A-F]{2}:){15}[0-9A-F]{2}/fingerprint XX/' \
        -e 's/[0-9.]+ [kMG]?B free/N free/; s/20[0-9]{2}-[0-9]{2}-[0-9]{2}/DAY/' \
        -e 's,/dev/bus/usb/[0-9/]+,NODE,; s/usb:[0-9]+-[0-9.]+/PLACE/g' > "/io/$name.text"
    diff -u "$PROJECT/tests/usb/texts/$name.txt" "/io/$name.text" && [ "$got" = "$code" ]
}

# Somebody who sits at the computer and is not root: $AS_USER COMMAND...
AS_USER="setpriv --reuid 1000 --regid 1000 --clear-groups"

# until_so SECONDS COMMAND...: tries it again and again. Tries are counted, not seconds, so that neither a
# slow machine nor a clock that jumps ends it early.
until_so() {
    local tries=$(($1 * 10))
    shift
    while ! "$@" > /dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# on_bus SERIAL: whether a device with this serial number is configured.
on_bus() {
    local device
    for device in $(grep -lx "$1" /sys/bus/usb/devices/*/serial 2>/dev/null); do
        [ "$(cat "${device%/serial}/bConfigurationValue")" != "" ] && return 0
    done
    return 1
}
off_bus() { ! on_bus "$1"; }

# device SERIAL ARGUMENTS...: the program of tests/usb/main.rs, which says all in /run/SERIAL.log; its
# process is $DEVICE.
device() {
    local serial=$1
    shift
    "$DEVICES" "$@" > "/run/$serial.log" 2>&1 &
    DEVICE=$!
    echo $DEVICE >> /run/devices
    until_so 30 on_bus "$serial" || { echo "FAILED  $(now) $serial does not come up"; cat "/run/$serial.log"; dmesg | tail -n 8; FAILED=1; return 1; }
}

# phone SERIAL ARGUMENTS...: a phone of vhci-hcd.
phone() {
    local serial=$1
    shift
    device "$serial" phone --serial "$serial" "$@"
}

# away: what was plugged in last is ended and gone.
away() {
    kill "$DEVICE" 2>/dev/null
    wait "$DEVICE" 2>/dev/null
    true
}

# gadget NAME SERIAL [SPEED]: a phone's shape on dummy_hcd's bus, its ADB function behind NAME.
gadget() {
    local g=/sys/kernel/config/usb_gadget/$1
    mkdir "$g" "$g/strings/0x409" "$g/configs/c.1"
    echo 0x18d1 > "$g/idVendor"; echo 0x4ee7 > "$g/idProduct"
    [ "${3:-high-speed}" = super-speed ] && echo 0x0320 > "$g/bcdUSB"
    echo "${3:-high-speed}" > "$g/max_speed"
    echo "$2" > "$g/strings/0x409/serialnumber"
    echo Google > "$g/strings/0x409/manufacturer"; echo "Pixel 7a" > "$g/strings/0x409/product"
}

IDENTITY=(ro.product.manufacturer=Google "ro.product.model=Pixel 7a" ro.build.version.release=14)
# adbd NAME PROPERTY...: real adbd behind the gadget NAME, with the keys of /run/NAME.keys/adb_keys.
adbd() {
    local name=$1 g=/sys/kernel/config/usb_gadget/$1
    shift
    storage
    mkdir "$g/functions/ffs.$name"
    ln -s "$g/functions/ffs.$name" "$g/configs/c.1/"
    printf '%s\n' "${IDENTITY[@]}" "$@" > "/run/$name.props"
    mkdir -p /dev/usb-ffs/adb /data/misc/adb "/run/$name.keys"
    # It looks in one place only: each has a place of its own there.
    # shellcheck disable=SC2016
    ADBD_PROPS=/run/$name.props unshare -m sh -c 'mount -t functionfs "$1" /dev/usb-ffs/adb &&
        mount --bind "/run/$1.keys" /data/misc/adb && exec "$2"' sh "$name" "$BENCH/adbd" > "/io/adbd-$name.txt" 2>&1 &
    echo $! >> /run/devices
}

state() { cat "/sys/class/udc/$1/state"; }
# plug GADGET UDC: adbd reopens its endpoints each second while unplugged, which unplugs it again;
# so until it holds.
plug() {
    local g=/sys/kernel/config/usb_gadget/$1 held tries
    for tries in $(seq 100); do
        echo "$2" > "$g/UDC" 2>/dev/null
        held=0
        while [ "$(cat "$g/UDC")" = "$2" ] && [ $held -lt 6 ]; do
            [ "$(state "$2")" = configured ] && [ $held -gt 3 ] && return 0
            held=$((held + 1))
            sleep 0.1
        done
    done
    return 1
}
unplug() { echo "" > "/sys/kernel/config/usb_gadget/$1/UDC"; }

# storage: a camera roll for real adbd, /storage/emulated/0/DCIM: one file of 64 MiB and 500 of 10 kB.
storage() {
    [ -e /run/sd ] && return
    mkdir -p /run/sd/DCIM/Camera /run/sd/DCIM/Small /storage/emulated
    cp "$BENCH/data" /run/sd/DCIM/Camera/big.jpg
    head -c 5000000 /run/sd/DCIM/Camera/big.jpg | split -b 10000 -a 3 -d --additional-suffix=.jpg - /run/sd/DCIM/Small/IMG_
    ln -sfn /run/sd /storage/emulated/0
}

# tcp_daemon: real adbd that answers at 127.0.0.1:5599 and lets everybody in, for phones of vhci-hcd.
tcp_daemon() {
    storage
    printf '%s\n' "${IDENTITY[@]}" service.adb.listen_addrs=tcp:localhost:5599 > /run/tcp.props
    ADBD_PROPS=/run/tcp.props "$BENCH/adbd" > /io/adbd-tcp.txt 2>&1 &
    echo $! >> /run/devices
    until_so 20 grep -q ":15DF " /proc/net/tcp /proc/net/tcp6
}

# pull NAME ARGUMENTS...: all of DCIM into /run/out/NAME; seconds in /run/seconds.
pull() {
    local begin end folder=/run/out/$1
    shift
    begin=$(now)
    timeout 400 "$RESCUE" pull -o "$folder" --root /storage/emulated/0/DCIM --all "$@" || return
    end=$(now)
    echo "$begin $end" | awk '{ printf "%.2f", $2 - $1 }' > /run/seconds
}
same() { diff -r /run/sd/DCIM "/run/out/$1/data/internal/DCIM"; }

clear_away() {
    local process gadget
    for gadget in /sys/kernel/config/usb_gadget/*/; do
        [ -e "$gadget/UDC" ] && echo "" > "$gadget/UDC" 2>/dev/null
    done
    pidof adb > /dev/null && adb kill-server > /dev/null 2>&1
    # shellcheck disable=SC2013
    for process in $(cat /run/devices 2>/dev/null); do kill "$process" 2>/dev/null; done
    rm -rf /run/devices /run/out /run/scene /run/*.log
    sleep 0.3
}

# What a kernel says of a phone that leaves is no news here; what it says when it falls over is.
dmesg -n 2
/run/load vhci-hcd
/run/load dummy_hcd num=2 is_super_speed=1
/run/load usb_f_fs
/run/load usb_f_mass_storage
mount -t configfs none /sys/kernel/config
note_jumps &
echo "booted $(now)"
