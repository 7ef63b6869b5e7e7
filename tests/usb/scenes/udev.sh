# shellcheck disable=SC2086
# A person at the computer who is not root, with udevd running: without the rule and with it.
mount -t tmpfs tmpfs /etc/udev 2>/dev/null || { mkdir -p /etc/udev && mount -t tmpfs tmpfs /etc/udev; }
mkdir -p /etc/udev/rules.d /run/udev/rules.d /lib/udev/rules.d /run/programs
mount -t tmpfs tmpfs /lib/udev/rules.d
cp "$BENCH"/udev/lib/udev/rules.d/{50-udev-default,71-seat,73-seat-late}.rules /lib/udev/rules.d/
ln -sf "$BENCH/udev/bin/udevadm" /run/programs/udevadm
ln -sf "$BENCH/udev/bin/udevadm" /run/programs/systemd-udevd
export PATH=$PATH:/run/programs
# The bench is one, and udev would do nothing in it.
export SYSTEMD_IGNORE_CHROOT=1
# What logind writes of somebody who sits at the computer's own screen.
mkdir -p /run/systemd/seats
printf 'ACTIVE=c1\nACTIVE_UID=1000\n' > /run/systemd/seats/seat0
/run/programs/systemd-udevd > /io/udevd.txt 2>&1 &
UDEVD=$!
echo $UDEVD >> /run/devices
sleep 1
HOME=/run/scene/user
mkdir -p "$HOME"
chown 1000 "$HOME"

phone VHCI000010
check "without the rule: listed" says 0 "no permissions" $AS_USER "$RESCUE" devices
check "without the rule: named, exit code 12" says 12 "--install-udev-rules" $AS_USER "$RESCUE" doctor
check "without the rule: a pull says the same" says 12 "--install-udev-rules" $AS_USER "$RESCUE" pull -o /run/scene/user/no
check "root may" says 0 "straight over USB" env HOME=/run/scene/home "$RESCUE" doctor
away
# Who is not root, and has no program to become root by, or one that refuses.
check "no pkexec: named" says 12 "no program 'pkexec'" $AS_USER "$RESCUE" doctor --install-udev-rules --yes < /dev/null
printf '#!/bin/sh\nexit 1\n' > /run/programs/sudo
chmod +x /run/programs/sudo
TERMINAL="python3 $PROJECT/tests/usb/at_terminal.py"
check "sudo refuses: named" says 0 "sudo: exit status: 1" $TERMINAL 12 "y/N" 'y\n' -- $AS_USER env PATH=/run/programs "$RESCUE" doctor --install-udev-rules
check "no sudo: named" says 0 "no program 'sudo'" $TERMINAL 12 "y/N" 'y\n' -- $AS_USER env PATH=/none "$RESCUE" doctor --install-udev-rules
check "no is no" says 0 "Nothing was written" $TERMINAL 0 "y/N" 'n\n' -- $AS_USER "$RESCUE" doctor --install-udev-rules
rm /run/programs/sudo
check "nothing is there" test ! -e /etc/udev/rules.d/51-rescue.rules
echo "# mine" > /etc/udev/rules.d/51-rescue.rules
check "rules of somebody's own: told" says 0 "with other rules" "$RESCUE" doctor --install-udev-rules --yes
check "rule as shipped" cmp /etc/udev/rules.d/51-rescue.rules "$PROJECT/udev-rules/51-rescue.rules"
rm /etc/udev/rules.d/51-rescue.rules
check "rule installed" says 0 "unplug the phone" "$RESCUE" doctor --install-udev-rules --yes
check "rule as shipped" cmp /etc/udev/rules.d/51-rescue.rules "$PROJECT/udev-rules/51-rescue.rules"
phone VHCI000011
udevadm settle
check "with the rule: listed" says 0 attached $AS_USER "$RESCUE" devices
away
# An adb that was started with sudo leaves a key that only root may read, which matters where one is asked for.
phone VHCI000011 --virtual unauthorized
udevadm settle
install -d -o 1000 "$HOME/.android"
install -m600 "$PROJECT/fixtures/adbkey" "$HOME/.android/adbkey"
check "a key that this user may not read" reads key_unreadable 1 $AS_USER "$RESCUE" doctor
check "and in a pull" says 1 "sudo chown" $AS_USER "$RESCUE" pull -o /run/scene/user/yes
chown 1000 "$HOME/.android/adbkey"
away
phone VHCI000011
udevadm settle
check "with the rule: ready" says 0 "straight over USB" $AS_USER "$RESCUE" doctor
check "with the rule: pulled" says 0 "" $AS_USER "$RESCUE" pull -o /run/scene/user/yes
check "with the rule: photos are there" test "$(find /run/scene/user/yes/data -name "*.jpg" | wc -l)" = 30
away

# Who is no phone is not opened to everybody.
device BYSTANDERPrinter bystander printer
udevadm settle
node=$(sed -n 's/^DEVNAME=/\/dev\//p' "$(dirname "$(grep -lx BYSTANDERPrinter /sys/bus/usb/devices/*/serial)")/uevent")
check "the rule leaves a printer alone" test ! "$($AS_USER test -w "$node" && echo writable)"
