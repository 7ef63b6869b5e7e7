# Real adbd behind functionfs, as on a phone: at high and at super speed.
gadget one LAB0000001
adbd one ro.adb.secure=1
check "phone plugged in" plug one dummy_udc.0
check "listed without a server" says 0 LAB0000001 "$RESCUE" devices
check "listed once" test "$(grep -c LAB0000001 /run/words)" = 1
check "unauthorized: named, exit code 11" says 11 "Allow USB debugging" "$RESCUE" doctor
cat "$PROJECT/fixtures/adbkey.pub" > /run/one.keys/adb_keys
check "allowed: ready, without being plugged in again" says 0 "straight over USB" "$RESCUE" doctor
unplug one
check "phone plugged in again" plug one dummy_udc.0
check "ready" says 0 "straight over USB" "$RESCUE" doctor
check "pulled at high speed" pull all
check "identical" same all
unplug one

gadget two LAB0000002 super-speed
adbd two
check "phone plugged in at super speed" plug two dummy_udc.1
check "speed" grep -qx super-speed /sys/class/udc/dummy_udc.1/current_speed
check "ready" says 0 "straight over USB" "$RESCUE" doctor
if in_short; then
    check "pulled at super speed" pull super --exclude '**/big.jpg'
    check "identical" diff -r /run/sd/DCIM/Small /run/out/super/data/internal/DCIM/Small
    return
fi
check "pulled at super speed" pull super
check "identical" same super
