# What can go wrong around one try at a lock: throttling, a phone that leaves in the middle of a PIN, odd
# secrets, nobody at a terminal, and the program ended in the middle.
. "$PROJECT/tests/usb/touched.sh"
unlock() { "$RESCUE" -vv unlock "$@"; }
typed_nothing() { ! grep -q "^registered" /run/$T.log; }

# The fifth wrong try makes Android wait; the right PIN is then as good as a wrong one.
cat > /usr/local/bin/getprop <<'END'
#!/bin/sh
cat /run/touch/getprop
END
sed 's/getprop$/dumpsys/' /usr/local/bin/getprop > /usr/local/bin/dumpsys
chmod +x /usr/local/bin/getprop /usr/local/bin/dumpsys
# Longer than Android's 30 seconds, which this machine may need for one try.
touched --open --pin /run/touch/pin --tells /run/touch --failures 4 --throttle 3600
TYPED=739165 check "the fifth wrong PIN: exit code 13, and what Android does" pin says 13 "wait 30 seconds" "$RESCUE" unlock --over cable --pin-file -
check "one try" times "WRONG, 5 times" 1
if ! in_short; then
    check "the right PIN while throttled: still locked" pin says 13 "still locked" "$RESCUE" -vv unlock --again --over cable --pin-file -
    check "it was not looked at" times "while throttled" 1
    check "the PIN is nowhere" nowhere
fi
check "nothing stays pressed" let_go
ends
if [ "$LONG" = 1 ]; then
    touched --open --pin /run/touch/pin --tells /run/touch --failures 4
    TYPED=739165 check "the fifth wrong PIN" pin says 13 "wait 30 seconds" "$RESCUE" unlock --over cable --pin-file -
    sleep 31
    check "later it opens" pin says 0 "its storage can be read" "$RESCUE" unlock --again --over cable --pin-file -
    ends
fi
rm -f /usr/local/bin/getprop /usr/local/bin/dumpsys

# What no phone can be unlocked by; nobody to ask; no standard input at all.
touched --no-adb --pin /run/touch/pin
odd() { # odd WHAT TEXT BYTES: refused, and none of it is shown
    check "$1: refused" says 2 "$2" sh -c 'printf "$1" | "$2" -vv unlock --pin-file -' sh "$3" "$RESCUE"
    check "$1: not shown" sh -c '! grep -qa "4711\|$(printf "\303\237")" /run/words'
}
odd "a letter without a key" "US keyboard" '4711\303\237\n'
odd "no text" "not UTF-8" '4711\377\376\n'
odd "a zero byte" "US keyboard" '4711\0004\n'
odd "a control character" "US keyboard" '4711\0334\n'
odd "no PIN" "no PIN" '\n'
check "a PIN without an end: refused" says 2 "128 characters" sh -c 'yes 4711 | tr -d "\n" | "$1" unlock --pin-file -' sh "$RESCUE"
check "standard input closed: refused" says 2 "hint:" sh -c '"$1" unlock --pin-file - <&-' sh "$RESCUE"
check "all closed: it ends" sh -c '"$1" unlock <&- >&- 2>&-; test $? = 2' sh "$RESCUE"
check "nobody at a terminal: how to give it" says 2 "--pin-file" setsid "$RESCUE" unlock
check "the same of live keys" says 2 "standard input is not a terminal" setsid "$RESCUE" keys
check "nothing was attached" typed_nothing

in_short && return

# Ended at a terminal, in the middle: it is as it was, and nothing stays pressed.
TERMINAL="python3 $PROJECT/tests/usb/at_terminal.py"
check "ended at the question for the PIN" says 0 "" $TERMINAL 130 "not shown" @TERM -- "$RESCUE" unlock
check "its window closed at the question" says 0 "" $TERMINAL 130 "not shown" @HUP -- "$RESCUE" unlock
check "Ctrl-Z and Ctrl-\\ leave no terminal without an echo" says 0 "" $TERMINAL 130 "not shown" '\x1a\x1c' "" '\x03' -- "$RESCUE" unlock
check "nothing was attached" typed_nothing
for signal in TERM HUP; do
    check "live keys ended by $signal" says 0 "" $TERMINAL 130 "Ctrl-C ends" @$signal -- "$RESCUE" keys
    check "ended by $signal: nothing stays pressed" let_go
done
# Twice, as people do.
echo "hold VolumeUp VolumeDown 60000" > /run/touch/script
: > /run/$T.log
"$RESCUE" keys --script /run/touch/script > /run/words 2>&1 & process=$!
check "a key is held" until_so 10 log "report 4 pressed=true"
kill -INT $process; kill -INT $process
wait $process
check "Ctrl-C twice: nothing stays pressed" let_go
# In the middle of a PIN.
: > /run/$T.log
(printf '%s\n' $PIN | "$RESCUE" unlock --again --pin-file - > /run/words 2>&1; echo $? > /run/touch/code) &
until_so 20 log "event 1 8 1"
kill -INT "$(pgrep -f 'rescue unlock --again')"
check "Ctrl-C in the middle of a PIN: exit code 130" until_so 10 grep -qx 130 /run/touch/code
check "nothing stays pressed" let_go
check "nothing was tried" sh -c "! grep -q 'WRONG\|UNLOCKED' /run/$T.log"
ends

# It leaves the bus in the middle of the PIN: what it saw of it is not known, so nothing is typed again.
touched --no-adb --pin /run/touch/pin --trouble leaves-in-pin
check "a phone that leaves in the middle of a PIN" pin says 1 "it was not entered again" "$RESCUE" -vv --json unlock --pin-file -
check "it left" log "^unplugged"
check "nothing was tried" sh -c "! grep -q 'WRONG\|UNLOCKED' /run/$T.log"
check "the PIN is nowhere" nowhere
until_so 20 on_bus $T
check "once more, with a new yes: typed whole" pin says 0 "entered on" "$RESCUE" unlock --again --pin-file -
check "it was right" times UNLOCKED 1
ends

# The terminal's own end, while nohup wants the program to go on.
check "nohup: it goes on" sh -c 'nohup "$1" devices --watch > /dev/null 2>&1 & sleep 1; kill -HUP $!; sleep 1; kill -0 $! && kill $!' sh "$RESCUE"
