# What stands between a computer and a phone, told in these words: each state is made for real.
export XDG_STATE_HOME=/run/scene/state
check "nothing on USB" reads nothing_on_usb 10 "$RESCUE" doctor
ROOM=/run/scene check "little room on this disk" reads disk_nearly_full 10 "$RESCUE" doctor
# There is no way to that network here, nor from anywhere else: it is for documents (RFC 5737).
check "an address that does not answer" reads no_answer 10 "$RESCUE" doctor --tcp 192.0.2.1

shape() { # shape STATE CODE KIND: a phone that offers this, its text, and that it is listed
    device "PHONE${3^^}" shape "$3" --serial "PHONE${3^^}"
    check "a phone that offers $3" reads "$1" "$2" "$RESCUE" doctor
    check "listed" says 0 "${1//_/ }" "$RESCUE" devices
    away
}
shape only_charging 1 charging
shape no_debugging 1 mtp
shape fastboot 1 fastboot
shape emergency 1 emergency
for kind in named-mtp ptp network; do
    device "PHONE$kind" shape $kind --serial "PHONE$kind"
    check "a phone that offers $kind" says 1 "no debugging" "$RESCUE" doctor
    check "and in a pull" says 1 "USB debugging" "$RESCUE" pull -o /run/out/none
    away
done

phone VHCI000030 --virtual unauthorized
check "unauthorized" reads unauthorized 11 "$RESCUE" doctor
mkdir -p $XDG_STATE_HOME/rescue
echo "$(($(date +%s) - 800000)) VHCI000030" > $XDG_STATE_HOME/rescue/allowed
check "a key that expired" reads key_expired 11 "$RESCUE" doctor
check "and in a pull" says 11 "before and asks again" "$RESCUE" pull -o /run/out/none --wait 2
check "no permission" reads no_permission 12 $AS_USER "$RESCUE" doctor
away
phone VHCI000031 --virtual silent
check "hung" reads hung 1 "$RESCUE" doctor
away
phone VHCI000032 --virtual locked
check "locked since boot" reads locked_since_boot 13 "$RESCUE" doctor
away
for state in recovery sideload; do
    phone VHCI$state --virtual $state
    check "$state" reads $state 1 "$RESCUE" doctor
    away
done
phone VHCIstrange --virtual strange
check "a state that nobody knows" reads unknown_state 1 "$RESCUE" doctor
away
phone VHCI000033 --virtual approving
check "somebody taps Allow" says 0 "Allow" "$RESCUE" pull -o /run/out/allowed
check "noted" grep -q "VHCI000033" $XDG_STATE_HOME/rescue/allowed
away

# Phones in odd shapes that can be read.
phone VHCI000034 --second-configuration
check "ADB in another configuration" says 0 "straight over USB" "$RESCUE" doctor
away
nameless() { grep -qx 4ee7 /sys/bus/usb/devices/*/idProduct; }
"$DEVICES" phone --serial "" --with-mtp > /run/nameless.log 2>&1 & DEVICE=$!
echo $DEVICE >> /run/devices
check "a phone without a serial number" until_so 20 nameless
check "no serial number: named by its place" says 0 "usb:" "$RESCUE" devices
check "and read" says 0 "straight over USB" "$RESCUE" doctor
away

# A phone that comes and goes.
"$RESCUE" devices --watch > /run/scene/watched 2>&1 & watch=$!
phone VHCI000035
check "watched: it came" until_so 10 grep -q "^VHCI000035 .*attached" /run/scene/watched
away
check "watched: it went" until_so 10 grep -q "^VHCI000035 .*gone" /run/scene/watched
kill $watch

# What an adb server says.
server_has() { adb devices | grep -q "$1"; }
phone VHCI000036 --virtual silent
adb start-server > /dev/null 2>&1
check "the server has it" until_so 10 server_has VHCI000036
check "a server that makes no contact" reads offline 1 "$RESCUE" doctor
away
phone VHCI000038 --virtual authorizing
check "the server has it" until_so 10 server_has VHCI000038.*authorizing
check "a phone that the server is proving itself to" reads authorizing 1 "$RESCUE" doctor
away
phone VHCI000039 --virtual recovery
check "the server has it" until_so 10 server_has VHCI000039.*recovery
check "recovery, through the server" says 1 "recovery" "$RESCUE" doctor
away
phone VHCI000037
check "ready" until_so 20 says 0 "through the adb server" "$RESCUE" doctor
check "ready, in full" reads ready 0 "$RESCUE" doctor
check "busy: named, with its holder" reads busy 1 env ANDROID_ADB_SERVER_PORT=5999 "$RESCUE" doctor
adb kill-server
