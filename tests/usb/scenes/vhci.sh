# A phone that is a program: the library's virtual phone, and real adbd behind its address.
phone VHCI000001
check "virtual phone: listed" says 0 VHCI000001 "$RESCUE" devices
check "virtual phone: ready" says 0 "straight over USB" "$RESCUE" doctor
check "virtual phone: pulled" says 0 "" "$RESCUE" pull -o /run/out/virtual
away
tcp_daemon
phone VHCI000002 --daemon 127.0.0.1:5599 --super --with-mtp
check "real adbd at super speed: ready" says 0 "straight over USB" "$RESCUE" doctor
check "real adbd: 500 files pulled" pull small --exclude '**/big.jpg'
check "identical" diff -r /run/sd/DCIM/Small /run/out/small/data/internal/DCIM/Small
