# `rescue` and adb over the same cable, in turns. What bounds the figures here, and keeps the ratios
# below those that a phone's own processor and controller would show:
# - Both move 64 MiB in about 1.9 s, all that two emulated processors carry between a daemon and a program.
#   Seen on a calm machine: adb 1.93 s, `rescue` without verifying 2.05 s, of which its start is 0.2 s (to
#   start at all 0.05 s, to find and open the phone and its properties, a round of listings, the catalogue),
#   which adb's server did before. The rest of what it computes itself is SHA-256, for the manifest.
# - adb asks for each file and waits: two ticks of 4 ms, so 2.6 s for 500 files. `rescue` asks ahead and
#   needs 0.56 s; five times adb's speed would be 0.52 s.
# - Verifying, the phone reads and hashes again on the same processors, which are emulated without SHA's
#   instructions (64 MiB take 0.7 s there, 0.03 s on a processor that has them): 2.41 s for 64 MiB, although
#   the phone hashes while the file comes. For 500 files it is 1.03 s, as each program that the phone starts
#   to hash takes 0.15 s of processor time. A phone does so with its own.
# So "unverified" is what compares with adb, which verifies nothing.
# These are figures, which nothing has to pass, and take minutes.
in_short && return
gadget fast LAB0000007
adbd fast
check "phone plugged in" plug fast dummy_udc.0
rounds=3
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
    check "adb pull of 64 MiB" took adb-big adb pull $ROOT/Camera/big.jpg /run/scene/pulled-big
    check "adb pull of 500 files" took adb-small adb pull $ROOT/Small /run/scene/pulled-small
    rm -rf /run/scene/pulled-big /run/scene/pulled-small
    adb kill-server > /dev/null 2>&1
    check "rescue has it" until_so 10 says 0 "straight over USB" "$RESCUE" doctor
    check "rescue pull of 500 files" took small "$RESCUE" pull -o /run/out/small --root $ROOT/Small --all
    check "rescue pull of 500 files, not verified" took small-unverified "$RESCUE" pull -o /run/out/small2 --root $ROOT/Small --all --no-verify
    check "rescue pull of 64 MiB" took big "$RESCUE" pull -o /run/out/big --root $ROOT/Camera --all
    check "rescue pull of 64 MiB, not verified" took big-unverified "$RESCUE" pull -o /run/out/big2 --root $ROOT/Camera --all --no-verify
    check "one SHA-256 of 64 MiB, as the phone works it out" took sha256 sha256sum /run/sd/DCIM/Camera/big.jpg
    rm -rf /run/out
done
for name in sha256 adb-big big big-unverified adb-small small small-unverified; do
    echo "$name: median $(median $name) s of $(tr '\n' ' ' < /run/scene/times/$name)" | tee -a /io/figures.txt
done
# Figures, not a test: an emulated processor on a busy machine decides them as well.
ratio() { awk -v adb="$(median "$1")" -v own="$(median "$2")" 'BEGIN { printf "%.1f times as fast as adb: %s\n", adb / own, "'"$2"'" }'; }
for name in big big-unverified; do ratio adb-big $name; done | tee -a /io/figures.txt
for name in small small-unverified; do ratio adb-small $name; done | tee -a /io/figures.txt
