# Endpoints that stall, hang, or send in pieces.
tcp_daemon
faulty() { # faulty CODE TEXT ARGUMENTS...: a pull that ends so
    local code=$1 text=$2
    shift 2
    says "$code" "$text" "$RESCUE" pull -o /run/out/fault --root /storage/emulated/0/DCIM/Small --all "$@"
}
small() { diff -r /run/sd/DCIM/Small /run/out/fault/data/internal/DCIM/Small; }

phone VHCISTALL1 --daemon 127.0.0.1:5599 --fault stall-in=2000000 --fault stall-in=500000 --fault stall-out=3000
check "stalled endpoints are set going again" faulty 0 ""
check "identical" small
check "all three stalled" test "$(grep -c Stall /run/VHCISTALL1.log)" = 3
away
rm -rf /run/out/fault

phone VHCISHORT1 --daemon 127.0.0.1:5599 --fault short-in=70007 --fault short-in=1000000 --fault short-in=1500024 --fault short-in=24
check "transfers that end short" faulty 0 ""
check "identical" small
away
rm -rf /run/out/fault

faults="hang-in=2000000 hang-out=3000"
in_short && faults=hang-in=2000000
for fault in $faults; do
    phone "VHCI$fault" --daemon 127.0.0.1:5599 --fault $fault
    check "an endpoint that hangs ($fault) ends in a named error" faulty 1 "nothing came for 4 seconds" --idle-timeout 4 --wait 4
    [ $fault = hang-out=3000 ] || check "it was named while it waited" grep -q "it may be hung" /run/words
    check "the doctor names it" says 1 "hung" "$RESCUE" doctor --serial "VHCI$fault"
    away
    rm -rf /run/out/fault
done

# Nobody but the program itself had it: plugged in again it is gone on with.
phone VHCIHUNG --daemon 127.0.0.1:5599 --fault hang-in=1000000
"$RESCUE" pull -o /run/out/fault --root /storage/emulated/0/DCIM/Small --all --idle-timeout 4 --wait 300 > /run/words 2>&1 & process=$!
check "a phone that hangs is waited for" until_so 120 grep -q "it may be hung" /run/words
away
phone VHCIHUNG --daemon 127.0.0.1:5599
check "plugged in again, it is gone on with" wait $process
check "identical" small
away
rm -rf /run/out/fault

# A conversation of a program that was killed in its middle is left on the wire.
phone VHCIKILLED --daemon 127.0.0.1:5599
timeout -s KILL 2.5 "$RESCUE" pull -o /run/out/fault --root /storage/emulated/0/DCIM --all > /dev/null 2>&1
check "the next program is not confused by what the last one left" faulty 0 ""
check "identical" small
