# An adb server that has the phone.
gadget held LAB0000003
adbd held
check "phone plugged in" plug held dummy_udc.0
adb start-server > /dev/null 2>&1
check "adb has it" timeout 20 adb wait-for-device
check "a phone that the server has: listed" says 0 device "$RESCUE" devices
check "listed once" test "$(grep -c LAB0000003 /run/words)" = 1
check "through the server: said so" says 0 "through the adb server" "$RESCUE" doctor
check "pulled through the server" pull served --exclude '**/big.jpg'
check "identical" diff -r /run/sd/DCIM/Small /run/out/served/data/internal/DCIM/Small
check "busy: named, with its holder" says 1 "held by adb (process $(pidof adb))" env ANDROID_ADB_SERVER_PORT=5999 "$RESCUE" doctor
adb kill-server > /dev/null 2>&1
check "free again" until_so 10 says 0 "straight over USB" "$RESCUE" doctor
