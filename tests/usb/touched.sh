# What the scenes of a phone whose touch screen is dead have in common. What the model of the phone
# sees is what this kernel's HID parser makes of the reports.
/run/load uhid
/run/load hid-generic
/run/load evdev
storage
T=TOUCH00001
PIN=739164
mkdir -p /run/touch
printf '%s' $PIN > /run/touch/pin
touched() { device $T touch --serial $T "$@"; }
log() { grep -q -- "$1" /run/$T.log; }
times() { [ "$(grep -c -- "$1" /run/$T.log)" = "$2" ]; }
# Nothing is pressed any more, and every device that was attached is gone.
let_go() {
    until_so 5 tidy
}
tidy() {
    ! grep -q "held=true" /run/$T.log &&
        [ "$(grep -c "^registered" /run/$T.log)" = "$(grep -c "^unregistered\|^lost" /run/$T.log)" ]
}
ends() { away; own_key; }
small() { rm -rf /run/out/few; "$RESCUE" pull -o /run/out/few --root /storage/emulated/0/DCIM/Small --include '**/IMG_00*' "$@"; }
few() { [ "$(find /run/out/few/data -name 'IMG_00*' | wc -l)" = 10 ] &&
    for file in /run/sd/DCIM/Small/IMG_00*; do cmp "$file" "$(find /run/out/few/data -name "${file##*/}")" || return; done; }
# pin COMMAND...: the PIN on the standard input; what all processes are called meanwhile is kept.
pin() {
    local watch got=0
    (while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n'; sleep 0.2; done) > /run/touch/processes &
    watch=$!
    printf '%s\n' "${TYPED:-$PIN}" | "$@" || got=$?
    kill $watch; wait $watch 2>/dev/null
    return $got
}
nowhere() { cat /run/words /run/touch/processes > /run/touch/all; grep -q rescue /run/touch/processes && ! grep -qE "$PIN|7391" /run/touch/all &&
    ! grep -rqE "$PIN" "$HOME"; }

