"""What is on the disks, by other means than the program's: SQLite, hashlib and zipfile.

Reads one JSON object: `phone` (path on the phone: SHA-256), `folder`, and as they are wanted
`remote` (a folder), `archive`, `verified` and `uploaded` (what the program said of its own accord),
`complete` (names what has to be whole: folder, remote, archive). Prints one JSON object of three
lists: `lost` (said to be there, and is not), `wrong` (other bytes than the phone's) and `other`.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import zipfile

asked = json.load(sys.stdin)
phone, folder, complete = asked["phone"], asked["folder"], asked["complete"]
found = {"lost": [], "wrong": [], "other": []}


def local_of(path):
    """Where a file of the phone stands below `data/`."""
    return path.replace("/storage/emulated/0", "internal", 1)


def sha256(path):
    """Of a file; `None` when there is none, the error's name when the disk does not give it."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return errno.errorcode[error.errno]


def expect(path, wanted, who):
    is_there = sha256(path)
    if is_there is None:
        found["lost"].append(f"{who}: {path} is not there")
    elif is_there != wanted:
        size = os.path.getsize(path)
        found["wrong"].append(f"{who}: {path} ({size} bytes, {is_there[:8]})")


def files_below(root):
    for at, _, names in os.walk(root):
        for name in names:
            yield os.path.relpath(os.path.join(at, name), root)


def catalogue(sql):
    """Rows of the catalogue, read from a copy: what a journal takes back stays on the disk."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("rescue.db", "rescue.db-journal", "rescue.db-wal"):
            try:
                shutil.copyfile(os.path.join(folder, name), os.path.join(place, name))
            except FileNotFoundError:
                pass
            except OSError as error:
                found["other"].append(f"cannot be read: {name}: {error}")
        path = os.path.join(place, "rescue.db")
        if not os.path.exists(path):
            return []
        database = sqlite3.connect(path)
        try:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema")]
            return database.execute(sql).fetchall() if "upload" in tables else []
        except sqlite3.DatabaseError as error:
            found["other"].append(f"the catalogue: {error}")
            return []
        finally:
            database.close()


# What the catalogue says is verified or at least here.
known = set()
for path, local, state, digest in catalogue("SELECT path, local, state, sha256 FROM entry"):
    path = path.decode()
    if state in ("verified", "pulled"):
        if digest is None or digest.hex() != phone[path]:
            found["wrong"].append(f"the catalogue has another hash for {path}")
        expect(os.path.join(folder, "data", local), phone[path], f"the catalogue ({state})")
        known.add(local) if state == "verified" else None

# What the manifest says.
try:
    with open(os.path.join(folder, "manifest-sha256.txt"), encoding="utf-8") as manifest:
        lines = manifest.read().splitlines()
except FileNotFoundError:
    lines = []
for line in lines:
    match = re.fullmatch(r"([0-9a-f]{64})  (data/.+)", line)
    if match is None:
        found["wrong"].append(f"a line of the manifest: {line!r}")
        continue
    local = match[2].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    expect(os.path.join(folder, local), match[1], "the manifest")

# What the program said before.
for path in asked["verified"]:
    expect(os.path.join(folder, "data", local_of(path)), phone[path], "the program")
    if local_of(path) not in known:
        found["other"].append(f"the catalogue does not know that this is verified: {path}")

# A real name has the real bytes, whoever knows of it.
by_local = {local_of(path): digest for path, digest in phone.items()}
data = os.path.join(folder, "data")
for local in files_below(data):
    if local in by_local:
        expect(os.path.join(data, local), by_local[local], "its name")
    else:
        found["wrong"].append(f"nobody has this name: {local}")

remote = asked.get("remote")
if remote is not None:
    receipts = catalogue("SELECT source, path, sha256, state FROM upload")
    for source, path, digest, state in receipts:
        if state in ("sent", "there"):
            if digest.hex() != by_local[source]:
                found["wrong"].append(f"a receipt has another hash for {source}")
            expect(os.path.join(remote, path), by_local[source], f"a receipt ({state})")
    for source, path in asked["uploaded"]:
        expect(os.path.join(remote, path), by_local[source], "the program, of the remote,")
    sent = {source for source, _, _, state in receipts if state in ("sent", "there")}
    digests = set(phone.values())
    for path in files_below(remote):
        if not path.endswith(".rescue-part"):
            if sha256(os.path.join(remote, path)) not in digests:
                found["wrong"].append(f"on the remote: {path}")
    if "remote" in complete:
        for local in by_local.keys() - sent:
            found["lost"].append(f"no receipt: {local}")

archive = asked.get("archive")
if archive is not None:
    packed = {}
    if os.path.exists(archive):
        try:
            with zipfile.ZipFile(archive) as opened:
                for name in opened.namelist():
                    packed[name] = hashlib.sha256(opened.read(name)).hexdigest()
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            found["wrong"].append(f"the archive under its name: {error}")
        else:
            missing = set(phone.values()) - set(packed.values())
            if missing:
                found["wrong"].append(f"the archive lacks {len(missing)} files")
    elif "archive" in complete:
        found["lost"].append("there is no archive")

if "folder" in complete:
    for local in by_local.keys() - known:
        found["lost"].append(f"not verified in the end: {local}")
    listed = {line[66:] for line in lines}
    if len(listed) != len(by_local):
        found["other"].append(f"the manifest has {len(listed)} files, the phone {len(by_local)}")

json.dump(found, sys.stdout)
