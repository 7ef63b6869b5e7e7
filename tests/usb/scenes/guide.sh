# The guide at a phone whose touch screen is dead, over the cable: in the terminal, and on the page in the Chromium of
# the computer outside.
. "$PROJECT/tests/usb/touched.sh"
# The guide takes everything, and most of it measures nothing here.
mv /run/sd/DCIM/Camera/big.jpg /run/touch/
few_are_here() { diff -r /run/sd/DCIM/Small "$(echo /run/touch/$1/*/data/internal/DCIM/Small)"; }

mkdir -p /run/touch/terminal /run/touch/page
if ! in_short; then
    touched --layout aosp15
    in_terminal() { (cd /run/touch/terminal && says 0 "Safe: everything" python3 "$PROJECT/tests/usb/at_terminal.py" 0 "$@" -- "$RESCUE"); }
    check "terminal: from a dead touch screen to proven files" in_terminal \
        "still show a picture?" '1\n' "react to your finger?" '2\n' "PIN, pattern or password?" '1\n' \
        "1  Answer the question from this computer" '1\n' "not shown" '\n' "What do you want to take?" '1\n' "What next?" '\n' \
        "index.html in a browser" '\n'
    grep -E "has allowed|Safe:" /run/words
    check "terminal: allowed always, by keys" log "Allow { always: true }"
    check "terminal: identical" few_are_here terminal
    check "terminal: an archive" sh -c "ls /run/touch/terminal/*.zip"
    check "nothing stays pressed" let_go
    ends
fi

# The phone has forgotten this computer.
rm -f /data/misc/adb/adb_keys
touched --layout samsung
/run/load virtio_net
busybox ip link set eth0 up && busybox ip addr add 10.0.2.15/24 dev eth0
busybox nc -ll -p 8000 -e busybox nc 127.0.0.1 "$PORT" & echo $! >> /run/devices
(cd /run/touch/page && exec "$RESCUE" desk --no-open --port "$PORT") > /run/touch/url 2>> /run/desk.log & desk=$!
check "the page is served" until_so 30 grep -q "^http://127.0.0.1:$PORT/" /run/touch/url
head -n 1 /run/touch/url > /io/desk-url.new && mv /io/desk-url.new /io/desk-url
check "page: a person clicked" until_so 400 test -s /io/clicked
check "page: to the end" grep -qx done /io/clicked
check "page: nothing is wrong with it" grep -qx '{"violations": \[\], "too_wide": \[\]}' /io/clicks.txt
grep -qx done /io/clicked || kill $desk
wait $desk; code=$?
check "page: exit code 0" test $code = 0
check "page: allowed always, by keys" log "Allow { always: true }"
check "page: identical" few_are_here page
check "nothing stays pressed" let_go
ends
mv /run/touch/big.jpg /run/sd/DCIM/Camera/
