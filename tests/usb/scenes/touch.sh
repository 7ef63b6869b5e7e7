# A phone whose touch screen is dead: driven and unlocked by keys over the cable.
. "$PROJECT/tests/usb/touched.sh"

# What Linux makes of the reports, exactly.
touched --no-adb
cat > /run/touch/script <<'END'
press a Shift+b Ctrl+Alt+z Tab Up Enter F5 Menu
type 1 !~
press Home Back Recents Search VolumeUp VolumeDown Power
wake
sleep
tap 50 25
END
check "a script is done" says 0 "press Home" "$RESCUE" keys --script /run/touch/script
{
    for key in 30 "42 48" "29 56 44" 15 103 28 63 127 2 57 "42 2" "42 41" 172 158 580 217 115 114 116 143 142; do
        # Modifiers are bits of the report's first byte, so that they come first, down and up.
        for code in $key; do echo "event 1 $code 1"; done
        for code in $key; do echo "event 1 $code 0"; done
    done
    printf '%s\n' "event 3 0 16384" "event 3 1 8192" "event 1 320 1" "event 1 330 1" "event 1 330 0" "event 1 320 0"
} | sort > /run/touch/wanted
check "Linux's HID parser sees these keys" until_so 3 sh -c "grep '^event' /run/$T.log | grep -v '^event 3 [01] 0' | sort | diff /run/touch/wanted -"
grep '^event' /run/$T.log | grep -v '^event 3 [01] 0' | sort | diff /run/touch/wanted -
check "nothing stays pressed" let_go

# Stopped in the middle.
echo "hold VolumeUp VolumeDown 60000" > /run/touch/script
for signal in INT TERM; do
    : > /run/$T.log
    "$RESCUE" keys --script /run/touch/script > /run/words 2>&1 & process=$!
    check "a key is held" until_so 10 log "report 4 pressed=true"
    [ $signal = TERM ] || check "no PIN is typed from another terminal meanwhile" pin says 1 'another `rescue` sends keys' "$RESCUE" unlock --pin-file -
    kill -$signal $process
    wait $process; code=$?
    check "stopped by $signal: exit code 130" test $code = 130
    check "stopped by $signal: the key is let go" let_go
    check "the release came before the end" times "report 4 pressed=false" 1
done

# Live, at a terminal.
: > /run/$T.log
check "live: keys as they are typed, and the terminal as it was" says 0 "Keys now go to" python3 "$PROJECT/tests/usb/at_terminal.py" 130 \
    "Ctrl-C ends" 'q\x1b[A\x1bOQ\x1b[<35;10;10M\x1b[<35;14;11M\r' "" '\x03' -- "$RESCUE" keys
check "q, Up, Home, the mouse and Enter came" sh -c "grep -q 'event 1 16 1' /run/$T.log && grep -q 'event 1 103 1' /run/$T.log && grep -q 'event 2 0 40' /run/$T.log && grep -q 'event 2 1 20' /run/$T.log"
check "nothing stays pressed" let_go

# Nothing is known of the outcome with USB debugging off.
ends
touched --no-adb --pin /run/touch/pin
check "unlock with USB debugging off: typed once" pin says 0 "cannot be seen from here" "$RESCUE" -vv unlock --pin-file -
check "it was right" times UNLOCKED 1
check "the PIN is nowhere" nowhere
check "again: wants a new yes" pin says 13 "last attempt" "$RESCUE" unlock --pin-file -
check "nothing was typed" times UNLOCKED 1
check "without a PIN nothing is typed" says 2 "no PIN" "$RESCUE" unlock --again --pin-file /dev/null
check "nothing stays pressed" let_go
ends

# What is no phone.
device BYSTANDERWebcam bystander webcam
sleep 1
asked() { grep -c "asked\|sent\|read" /run/BYSTANDERWebcam.log; }
before=$(asked)
check "a webcam is no phone" says 10 "looks like a phone" "$RESCUE" unlock --pin-file /run/touch/pin
check "nor to be driven" says 10 "" "$RESCUE" keys --serial BYSTANDERWebcam --recipe talkback --yes
check "nor authorized" says 10 "" "$RESCUE" authorize --unlocked
check "it was asked nothing" test "$(asked)" = "$before"
away
in_short && return

# Proven where USB debugging is allowed.
cat > /usr/local/bin/getprop <<'END'
#!/bin/sh
cat /run/touch/getprop
END
sed 's/getprop$/dumpsys/' /usr/local/bin/getprop > /usr/local/bin/dumpsys
printf '#!/bin/sh\necho "$@" >> /run/touch/input\n' > /usr/local/bin/input
chmod +x /usr/local/bin/getprop /usr/local/bin/dumpsys /usr/local/bin/input
touched --open --pin /run/touch/pin --tells /run/touch
TYPED=739165 check "wrong PIN: exit code 13" pin says 13 "still locked" "$RESCUE" -vv --json unlock --over cable --pin-file -
check "one try" times WRONG 1
check "again without a yes: refused" pin says 13 "last attempt" "$RESCUE" unlock --pin-file -
check "still one try" times WRONG 1
check "right PIN: unlocked and proven" pin says 0 "its storage can be read" "$RESCUE" -vv unlock --again --over cable --pin-file -
check "the PIN is nowhere" nowhere
check "unlocked already: nothing is typed" says 0 "nothing was typed" "$RESCUE" unlock
check "one right try" times UNLOCKED 1
ends
: > /run/touch/input
touched --open --pin /run/touch/pin --tells /run/touch
check "through USB debugging: unlocked" pin says 0 '"over":"adb"' "$RESCUE" -vv --json unlock --pin-file -
check "it was typed once" times UNLOCKED 1
check "the PIN is in no output" sh -c "! grep -q $PIN /run/words"
ends
touched --open --pattern 14789 --tells /run/touch
TYPED=14789 check "pattern: drawn, unlocked and proven" pin says 0 "its storage can be read" "$RESCUE" unlock --pattern --pin-file -
ends
rm -f /usr/local/bin/getprop /usr/local/bin/dumpsys /usr/local/bin/input

# What takes no keys.
for trouble in stalls version0 version1 babbles hangs no-devices; do
    touched --no-adb --trouble $trouble
    check "$trouble: named" says 1 "hint:" timeout 15 "$RESCUE" unlock --pin-file /run/touch/pin
    check "$trouble: nothing attached" times "^registered" 0
    ends
done
touched --no-adb --pin /run/touch/pin --trouble version65535
check "a version of which nobody has heard: newer ones take keyboards, too" pin says 0 "cannot be seen" "$RESCUE" unlock --pin-file -
ends
touched --no-adb --pin /run/touch/pin --trouble keyboard-only
check "a phone that takes a keyboard only" pin says 0 "cannot be seen" "$RESCUE" unlock --pin-file -
ends
