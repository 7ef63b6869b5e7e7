"""at_terminal.py CODE [EXPECT SEND]... -- COMMAND...: runs a command at a terminal of its own; each time
the text EXPECT shows, SEND (with \\n, \\x1b and the like) is typed; @TERM sends that signal instead.
Ends well when the command ends with CODE and the terminal is as it was before; prints all that the
terminal showed."""
import os, pty, select, signal, sys, termios, time

split = sys.argv.index("--")
code, talk, command = int(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1:]
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    import fcntl
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    os.execvp(command[0], command)
shown, at, end, status = b"", 0, time.time() + 150, None
while time.time() < end:
    if select.select([master], [], [], 0.2)[0]:
        shown += os.read(master, 65536)
    if talk and talk[0].encode() in shown[at:]:
        at = len(shown)
        time.sleep(3)  # what was typed before has to have been seen
        if talk[1].startswith("@"):
            os.kill(child, signal.Signals["SIG" + talk[1][1:]])
        else:
            os.write(master, talk[1].encode().decode("unicode_escape").encode("latin-1"))
        talk = talk[2:]
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        break
else:
    os.kill(child, 9)
while select.select([master], [], [], 0.2)[0]:
    shown += os.read(master, 65536)
sys.stdout.buffer.write(shown)
sys.stdout.flush()
assert not talk, f"never shown: {talk[0]}"
assert os.waitstatus_to_exitcode(status) == code, f"it ended with {status}"
assert termios.tcgetattr(slave) == before, "the terminal is not as it was"
