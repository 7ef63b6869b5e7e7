# The cable is pulled at a random byte of a pull, and plugged in again.
tcp_daemon
mkdir -p /run/sd/Yank/Camera
head -c 6000000 "$BENCH/data" > /run/sd/Yank/Camera/VID_1.mp4
head -c 600000 "$BENCH/data" | split -b 10000 -a 3 -d --additional-suffix=.jpg - /run/sd/Yank/Camera/IMG_
rounds=3
in_short && rounds=1
[ "$LONG" = 0 ] || rounds=50
RANDOM=${SEED:-17}
struck=0
for round in $(seq $rounds); do
    at=$(((RANDOM * 32768 + RANDOM) % 6700000))
    speed=""
    [ $((round % 2)) = 0 ] || speed=--super
    # shellcheck disable=SC2086
    phone "VHCIYANK$round" --daemon 127.0.0.1:5599 --fault "yank-in=$at" --replug 300 $speed
    check "yanked at byte $at" timeout 120 "$RESCUE" pull -o /run/out/yank --root /storage/emulated/0/Yank --all
    check "identical" diff -r /run/sd/Yank /run/out/yank/data/internal/Yank
    grep -q Yank "/run/VHCIYANK$round.log" && struck=$((struck + 1))
    away
    rm -rf /run/out/yank
done
check "the cable was pulled each time" test $struck = $rounds
echo "$struck of $rounds yanks struck" | tee -a /io/figures.txt
rm -rf /run/sd/Yank

in_short && return
# The same with a real gadget, which goes when it goes.
rounds=1
[ "$LONG" = 0 ] || rounds=10
gadget yanked LAB0000006
adbd yanked
check "phone plugged in" plug yanked dummy_udc.0
# unplugged: some time after the pull has begun, however long that takes.
unplugged() {
    until_so 60 test -e /run/out/gadget/.partial
    sleep "$1"
    unplug yanked
    sleep 1
    plug yanked dummy_udc.0
}
for round in $(seq $rounds); do
    check "phone on the bus" until_so 20 on_bus LAB0000006
    unplugged "$((round % 4)).$((RANDOM % 10))" & cable=$!
    check "unplugged in a pull, replugged" pull gadget
    wait $cable
    check "identical after it" same gadget
    rm -rf /run/out/gadget
done
