# The disks that people plug in: a FAT stick, an exFAT card (Debian's kernel
# knows no way of writing to NTFS). Every name that they refuse, a file that
# FAT cannot hold, a run that is killed, and a stick that is pulled out.
for module in loop vfat exfat nls_cp437 nls_ascii nls_utf8 usb-storage sd_mod; do
    /run/load "$module"
done
tcp_daemon
odd=/run/sd/DCIM/Odd
mkdir -p "$odd"/{AUX,aux.d} "$odd/ends with a dot."
long=$(printf 'x%.0s' $(seq 251))
number=0
# What some system refuses: characters, endings, devices, lengths, bytes, and two that are one elsewhere.
for name in 'a:b?c*d<e>f"g|h.jpg' 'back\slash.jpg' '100%.jpg' 'dot.' 'space ' CON NUL.txt com1.jpg lpt9 \
    IMG.jpg img.jpg Img.JPG $'caf\xc3\xa9.jpg' $'cafe\xcc\x81.jpg' $'line\nbreak.jpg' $'esc\x1b[31m.jpg' $'latin\xe9.jpg' \
    "$long.jpg" $'\xf0\x9f\x93\xb7.jpg' '~' '.hidden' 'AUX/x.jpg' 'aux.d/x.jpg' 'ends with a dot./x.jpg'; do
    number=$((number + 1))
    head -c $((number * 997)) "$BENCH/data" > "$odd/$name"
done
truncate -s 5G "$odd/film.mp4"

hashes() { (cd "$1" && find . -type f ! -name film.mp4 -exec sha256sum -b {} + | sed 's/^\\//' | cut -c1-64 | sort); }
hashes "$odd" > /run/wanted

PULL=("$RESCUE" pull --tcp 127.0.0.1:5599 --all --root)

# stands KIND FOLDER: what was on the phone is there, and anybody can check it.
stands() {
    check "$1: all of it, byte for byte" diff /run/wanted <(hashes "$2/data")
    check "$1: sha256sum agrees" sh -c "cd '$2' && sha256sum --quiet -c manifest-sha256.txt"
    check "$1: rescue verify agrees" says 0 "each as it was recorded" "$RESCUE" verify "$2"
}

# disk KIND OPTIONS MKFS...: a new disk of that kind at /run/disk.
disk() {
    local kind=$1 options=$2
    shift 2
    rm -f /run/disk.img
    truncate -s 200M /run/disk.img
    mkdir -p /run/disk
    "$@" /run/disk.img > /run/said 2>&1 && mount -t "$kind" -o "$options" /run/disk.img /run/disk
}

# As the desktops of Debian mount them.
check "a FAT stick" disk vfat loop,utf8=1,shortname=mixed,codepage=437,iocharset=ascii,flush mkfs.vfat
check "vfat: a file of 5 GiB is named" says 3 "cannot store a file of more than" "${PULL[@]}" /storage/emulated/0/DCIM/Odd -o /run/disk/fat
check "vfat: nothing else is" grep -q "1 file .*failed" /run/words
stands vfat /run/disk/fat
umount /run/disk
mount -t vfat -o loop,utf8=1,shortname=mixed,codepage=437,iocharset=ascii /run/disk.img /run/disk
stands "vfat, plugged in again" /run/disk/fat
check "vfat: again takes nothing" says 3 "" "${PULL[@]}" /storage/emulated/0/DCIM/Odd -o /run/disk/fat --json
check "vfat: again takes nothing" sh -c '! grep -q "\"type\":\"pulled\"" /run/words'
KILLED=("${PULL[@]}" /storage/emulated/0/DCIM -q -o /run/disk/killed --exclude '**/big.jpg' --exclude '**/film.mp4')
for pause in 0.6 1.2 2; do
    "${KILLED[@]}" &
    sleep $pause
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
done
check "vfat: killed three times, then to the end" "${KILLED[@]}"
check "vfat: identical" diff -r /run/sd/DCIM/Small /run/disk/killed/data/internal/DCIM/Small
umount /run/disk

check "an exFAT card" disk exfat loop,iocharset=utf8 mkfs.exfat
check "exfat: pulled" says 0 "" "${PULL[@]}" /storage/emulated/0/DCIM/Odd -o /run/disk/exfat --exclude '**/film.mp4'
stands exfat /run/disk/exfat
umount /run/disk

# A stick on the bus that is pulled out in the middle.
g=/sys/kernel/config/usb_gadget/stick
gadget stick STICK001
mkdir "$g/functions/mass_storage.0"
rm -f /run/disk.img; truncate -s 200M /run/disk.img; mkfs.vfat /run/disk.img > /dev/null
echo /run/disk.img > "$g/functions/mass_storage.0/lun.0/file"
ln -s "$g/functions/mass_storage.0" "$g/configs/c.1/"
echo dummy_udc.0 > "$g/UDC"
check "a stick comes up" until_so 30 test -b /dev/sda
mount -t vfat -o utf8=1,shortname=mixed,codepage=437,iocharset=ascii /dev/sda /run/disk
timeout 100 "${PULL[@]}" /storage/emulated/0/DCIM -o /run/disk/gone --exclude '**/film.mp4' > /run/words 2>&1 &
pulling=$!
until_so 30 test -e /run/disk/gone/.partial
sleep 1.5
unplug stick
wait $pulling; echo "exit code $?" >> /run/words
check "pulled out: the disk is named" grep -q "/run/disk/gone" /run/words
check "pulled out: exit code 1" grep -qx "exit code 1" /run/words
umount -l /run/disk
# The other scenes pull from the same storage, and none has room for 5 GiB.
rm -rf "$odd"
