# `rescue` and adb over the same cable, in turns. Three things bound what is seen here:
# - dummy_hcd moves at most 53248 bytes at high speed in each tick of Debian's kernel (4 ms): 13 MB/s,
#   so 5.0 s for 64 MiB, whoever asks.
# - An emulated processor without SHA instructions works out both SHA-256s of a verified pull, ours and
#   the phone's, one after the other; what one of them costs is measured, too. A phone has its own.
# - Each program's start, about a second here.
# So the columns "unverified" compare what adb does as well, and the others say what the proof costs here.
gadget fast LAB0000007
adbd fast
check "phone plugged in" plug fast dummy_udc.0
rounds=3
in_short && rounds=1
[ "$LONG" = 0 ] || rounds=7
ROOT=/storage/emulated/0/DCIM
took() { # took NAME COMMAND...
    local name=$1 begin end
    shift
    begin=$(now)
    timeout 400 "$@" || return
    end=$(now)
    echo "$begin $end" | awk '{ printf "%.2f\n", $2 - $1 }' >> "/run/scene/times/$name"
}
mkdir -p /run/scene/times
median() { sort -n "/run/scene/times/$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
for round in $(seq $rounds); do
    adb start-server > /dev/null 2>&1
    check "adb has it" timeout 20 adb wait-for-device
    in_short || check "adb pull of 64 MiB" took adb-big adb pull $ROOT/Camera/big.jpg /run/scene/pulled-big
    check "adb pull of 500 files" took adb-small adb pull $ROOT/Small /run/scene/pulled-small
    rm -rf /run/scene/pulled-big /run/scene/pulled-small
    adb kill-server > /dev/null 2>&1
    check "rescue has it" until_so 10 says 0 "straight over USB" "$RESCUE" doctor
    check "rescue pull of 500 files" took small "$RESCUE" pull -o /run/out/small --root $ROOT/Small --all
    check "rescue pull of 500 files, not verified" took small-unverified "$RESCUE" pull -o /run/out/small2 --root $ROOT/Small --all --no-verify
    if ! in_short; then
        check "rescue pull of 64 MiB" took big "$RESCUE" pull -o /run/out/big --root $ROOT/Camera --all
        check "rescue pull of 64 MiB, not verified" took big-unverified "$RESCUE" pull -o /run/out/big2 --root $ROOT/Camera --all --no-verify
        check "one SHA-256 of 64 MiB, as the phone works it out" took sha256 sha256sum /run/sd/DCIM/Camera/big.jpg
    fi
    rm -rf /run/out
done
for name in sha256 adb-big big big-unverified adb-small small small-unverified; do
    [ ! -e "/run/scene/times/$name" ] ||
        echo "$name: median $(median $name) s of $(tr '\n' ' ' < /run/scene/times/$name)" | tee -a /io/figures.txt
done
# Figures, not a test: an emulated processor on a busy machine decides them as well.
ratio() { awk -v adb="$(median "$1")" -v own="$(median "$2")" 'BEGIN { printf "%.1f times as fast as adb: %s\n", adb / own, "'"$2"'" }'; }
in_short || for name in big big-unverified; do ratio adb-big $name; done | tee -a /io/figures.txt
for name in small small-unverified; do ratio adb-small $name; done | tee -a /io/figures.txt
