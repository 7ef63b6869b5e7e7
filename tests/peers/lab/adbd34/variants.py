"""variants.py ADBD FOLDER: two variants of Debian's adbd, each by one instruction, found by its surroundings.
  adbd-auth   auth_required stays true, as on a phone (Debian's patch sets it false)
  adbd-tls    the same, and each connection that the listener takes begins with STLS, as on the port of
              wireless debugging (whose own listener is compiled for Android only)"""
import re
import sys

program = open(sys.argv[1], "rb").read()


def only(pattern, what):
    found = list(re.finditer(pattern, program, re.S))
    if len(found) != 1:
        sys.exit(f"Debian's adbd is another than it was: {len(found)} places look like '{what}'; "
                 "look at it with objdump -d and change variants.py")
    return found[0]


# call; call; lea auth_required(%rip),%rax; movb $0,(%rax); lea "ADB_EXTERNAL_STORAGE",%rdi; call getenv
place = only(rb"\x48\x8d\x05....\xc6\x00(\x00)\x48\x8d\x3d....\xe8....\x48\x85\xc0", "auth_required = false")
auth = bytearray(program)
auth[place.start(1)] = 1
# server_socket_thread: edx = 0 (port), ecx = 1 (local), r9d = 0 (use_tls), error = null on the stack
place = only(rb"\x48\xc7\x04\x24\x00\x00\x00\x00.{0,40}?\x31\xd2\xb9\x01\x00\x00\x00.{0,12}?(\x45\x31\xc9)\xe8",
             "use_tls = false")
tls = bytearray(auth)
tls[place.start(1):place.end(1)] = b"\x41\xb1\x01"  # mov $1,%r9b
for name, variant in (("adbd-auth", auth), ("adbd-tls", tls)):
    open(f"{sys.argv[2]}/{name}", "wb").write(variant)
