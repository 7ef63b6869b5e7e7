# Devices that mean harm or are broken: every command comes to its end, with a named error, and shows no
# byte that a terminal would obey.
LIMITS="--idle-timeout 2 --wait 2"
ended() { # ended COMMAND...: by itself, and neither by a panic nor by a signal
    local got=0
    timeout 150 "$@" > /run/words 2>&1 || got=$?
    cat /run/words
    echo "exit code $got"
    [ $got -lt 14 ] && ! grep -qi "panicked" /run/words
}
harmless() { ! LC_ALL=C grep -qa "$(printf '[\001-\010\013-\037\177]')" /run/words && ! grep -q "$(printf '\342\200\256')" /run/words; }
hostile() { # hostile KIND [ARGUMENT...]
    local kind=$1
    shift
    device "HOSTILE$kind" hostile "$kind" --serial "HOSTILE$kind" "$@"
}
both() { # both KIND CODE TEXT: what the doctor and a pull say of it
    # shellcheck disable=SC2086
    check "$1: the doctor comes to its end" says "$2" "$3" "$RESCUE" doctor $LIMITS
    check "$1: nothing that a terminal obeys" harmless
    # shellcheck disable=SC2086
    check "$1: a pull too" ended "$RESCUE" pull -o /run/out/hostile $LIMITS
    check "$1: nothing that a terminal obeys" harmless
    away
}

# Two phones that call themselves the same: neither is chosen.
phone VHCITWIN
"$DEVICES" phone --serial VHCITWIN > /run/twin.log 2>&1 & twin=$!
echo $twin >> /run/devices
both_there() { [ "$(grep -lx VHCITWIN /sys/bus/usb/devices/*/serial | wc -l)" = 2 ]; }
check "two phones with one serial number" until_so 20 both_there
check "the doctor says so" reads same_serial 2 "$RESCUE" doctor
check "a pull takes neither" says 2 "several phones are attached" "$RESCUE" pull -o /run/out/twin
check "nor with the serial number" says 2 "more than one phone has the serial number" "$RESCUE" pull -o /run/out/twin --serial VHCITWIN
check "no PIN is typed on either" says 2 "several phones" "$RESCUE" unlock --serial VHCITWIN --pin-file /dev/null
kill $twin
away

hostile names
check "names: listed" says 0 "attached" "$RESCUE" devices
check "names: nothing that a terminal obeys" harmless
both names 1 "hung"
hostile flood
both flood 1 "next:"
in_short && return
for kind in no-endpoints no-bulk only-input no-packets; do
    hostile $kind
    both $kind 1 "next:"
done
for kind in long-configuration odd-packets; do
    hostile $kind
    both $kind 1 "hung"
done
hostile huge
both huge 1 "next:"
hostile flapping
both flapping 1 "next:"

seeds=4
[ "$LONG" = 0 ] || seeds=40
for seed in $(seq $seeds); do
    "$DEVICES" hostile noise --serial "HOSTILE$seed" --seed "$seed" > /run/noise.log 2>&1 & DEVICE=$!
    echo $DEVICE >> /run/devices
    sleep 1
    # shellcheck disable=SC2086
    check "descriptors with other bytes, seed $seed: the doctor comes to its end" ended "$RESCUE" doctor $LIMITS
    check "nothing that a terminal obeys" harmless
    check "nor does a keyboard trip over it" ended "$RESCUE" unlock --pin-file /dev/null
    away
done
