# Never the wrong device: what is no phone is asked nothing, whatever is done beside it.
for kind in Webcam Printer Vendor NearlyAdb; do
    case $kind in NearlyAdb) word=nearly-adb ;; *) word=${kind,,} ;; esac
    device BYSTANDER$kind bystander $word
done
sleep 1
asked() { cat /run/BYSTANDER*.log | grep -c "asked\|sent\|read"; }
before=$(asked)
check "the kernel asked for descriptors" test "$before" -gt 20
check "no phone among them" says 10 "nothing on usb" "$RESCUE" doctor
check "none listed" says 10 "no phone" "$RESCUE" devices
check "none pulled from" says 10 "no phone" "$RESCUE" pull -o /run/out/none
check "none by its serial number" says 10 "no phone" "$RESCUE" pull --serial BYSTANDERVendor -o /run/out/none
check "nothing was asked of any" test "$(asked)" = "$before"
phone VHCI000020
check "a phone beside them is found" says 0 VHCI000020 "$RESCUE" devices
check "it alone" test "$(grep -c "BYSTANDER" /run/words)" = 0
check "and pulled from" says 0 "" "$RESCUE" pull -o /run/out/phone
check "nothing was asked of any of them" test "$(asked)" = "$before"
