# Two phones at once.
gadget left LAB0000004
gadget right LAB0000005
adbd left
adbd right
check "one plugged in" plug left dummy_udc.0
check "another plugged in" plug right dummy_udc.1
check "both listed" says 0 LAB0000004 "$RESCUE" devices
check "both listed, each once" test "$(grep -c 'LAB000000[45]' /run/words)" = 2
check "one has to be chosen" says 2 "--serial" "$RESCUE" pull -o /run/out/which
check "chosen by its serial number" pull chosen --serial LAB0000005 --exclude '**/big.jpg'
check "its own serial number is used" grep -q "LAB0000005" /run/out/chosen/bag-info.txt
check "both pulled at once" says 0 "" "$RESCUE" pull --all-phones -o /run/out/both --root /storage/emulated/0/DCIM/Small --all
for folder in /run/out/both/*/; do
    check "identical: $(basename "$folder")" diff -r /run/sd/DCIM/Small "$folder/data/internal/DCIM/Small"
done
check "two folders" test "$(ls /run/out/both | wc -l)" = 2
