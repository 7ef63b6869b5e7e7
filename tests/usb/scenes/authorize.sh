# A phone whose touch screen is dead: "Allow USB debugging?" answered by keys over the cable, in front of
# real adbd with authentication on.
. "$PROJECT/tests/usb/touched.sh"

# "Allow USB debugging?", to a real pull from real adbd.
layouts="aosp9 aosp15 samsung xiaomi"
# The scene `guide` plays one in short.
in_short && layouts=
[ "$LONG" = 1 ] && layouts="aosp9 aosp11 aosp15 samsung xiaomi xiaomi-stacked old mirrored"
for layout in $layouts; do
    touched --layout $layout
    check "$layout: not allowed" says 11 "rescue authorize" "$RESCUE" doctor
    check "$layout: authorized by keys" says 0 "has allowed this computer" "$RESCUE" authorize --unlocked
    grep "has allowed" /run/words || grep -v "^event\|^report" /run/$T.log | tail -n 20
    [ $layout = old ] || check "$layout: with 'always'" log "Allow { always: true }"
    if [ $layout = old ]; then
        # Without a box there is no "always": each connection asks anew, and a pull answers it, too.
        check "$layout: that it does not last is told" grep -q "for one connection only" /run/words
        rm -rf /run/out/few
        check "$layout: pulled" says 0 "has allowed this computer" python3 "$PROJECT/tests/usb/at_terminal.py" 0 \
            "press Enter" '\n' "not shown" '\n' -- "$RESCUE" pull -o /run/out/few --root /storage/emulated/0/DCIM/Small --include '**/IMG_00*'
    else
        check "$layout: pulled" small
    fi
    check "$layout: identical" few
    check "$layout: nothing stays pressed" let_go
    ends
done
touched --layout aosp11 --pin /run/touch/pin --swipe-only
check "locked: unlocked and authorized" pin says 0 "has allowed this computer" "$RESCUE" -vv authorize --pin-file -
check "the PIN was typed once" times UNLOCKED 1
check "into no app" times "TYPED INTO AN APP" 0
check "the PIN is nowhere" nowhere
check "allowed already" says 0 "nothing was pressed" "$RESCUE" authorize
ends
in_short && return
touched --layout aosp9
check "pull offers it at a terminal" says 0 "has allowed this computer" python3 "$PROJECT/tests/usb/at_terminal.py" 0 \
    "press Enter" '\n' "not shown" '\n' -- "$RESCUE" pull -o /run/out/few --root /storage/emulated/0/DCIM/Small --include '**/IMG_00*'
check "identical" few
ends
touched --layout aosp11 --trouble leaves-once
check "a phone that leaves the bus meanwhile: authorized" says 0 "has allowed this computer" "$RESCUE" authorize --unlocked
check "it left" log "^unplugged"
ends
# Beside a running adb server, which has the phone's interface.
touched --layout aosp11
adb start-server > /dev/null 2>&1
check "beside an adb server" says 0 "has allowed this computer" "$RESCUE" authorize --unlocked
check "adb is in, too" until_so 10 sh -c "adb devices | grep -q '$T.device'"
adb kill-server > /dev/null 2>&1
ends

# Nothing that is known leads through the question.
if [ "$LONG" = 1 ]; then
    touched --layout unknown
    LIMIT=300 check "every known way was tried: exit code 11" says 11 "none of the 10 known ways" "$RESCUE" authorize --unlocked
    check "it asked each time" test "$(grep -c '^asks' /run/$T.log)" -ge 10
    check "nothing stays pressed" let_go
    ends
fi
# Stopped in the middle.
touched --layout unknown
"$RESCUE" authorize --unlocked > /run/words 2>&1 & process=$!
check "it presses keys" until_so 40 log "event 1 103 1"
kill -INT $process
wait $process; code=$?
check "Ctrl-C in the middle: exit code 130" test $code = 130
check "nothing stays pressed" let_go
ends
