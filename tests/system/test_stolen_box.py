"""A stolen box at rest: neither its disk nor the memory of its processes leads back to a patient (T6).

The names are planted in real objects that a real box answers. Each is one short tag, over and over, so that
a piece of a name that was left is found, too. The control is the same search while the box is at work.
"""

from __future__ import annotations

import hashlib
import io
import sqlite3
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pydicom
import pytest

from edge.store.inbox import InboxReader
from edge.store.inbox_crypto import load_private
from edge.wire.keys import PrivateKey
from tests.anonymize.plant import NAMES, planted

pytestmark = pytest.mark.system

TAG, UMLAUTS = "QJZXW", "QJÜßW"
HEADER, PIXELS, KEPT = TAG + "h", TAG + "p", TAG + "k"
"""What stands in headers, in pixels, and in the object that goes into quarantine."""
NAMED = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyDescription", "StudyID"),
    *("ReferringPhysicianName", "InstitutionName", "OtherPatientIDs", "PatientComments"),
)


def write(path, side, tag=HEADER, modality="CR"):
    """An object of ``side`` x ``side`` pixels, tagged wherever header and pixels have room."""
    image = np.full((side, side), 20, np.uint8)
    cv2.ellipse(image, (side // 2, side // 2), (side // 3, side // 2 - 9), 20, 0, 360, 150, -1)
    image = cv2.GaussianBlur(image, (0, 0), 2.0)
    ds = pydicom.dcmread(io.BytesIO(planted(image)))
    for keyword in NAMED:
        room = 16 if pydicom.datadict.dictionary_VR(keyword) == "SH" else 60
        setattr(ds, keyword, (tag * 12)[:room])
    ds.SpecificCharacterSet, ds.PatientBirthName = "ISO_IR 100", UMLAUTS * 10
    ds.Modality, ds.SOPInstanceUID = modality, pydicom.uid.generate_uid()
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID = ds.SeriesInstanceUID = pydicom.uid.generate_uid()
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.WindowCenter, ds.WindowWidth = "128", "256"  # stored values are shown as they are
    image[side // 2 : side // 2 + 4, 20:92] = np.frombuffer(PIXELS.encode() * 12, np.uint8)
    ds.PixelData = image.tobytes()[: 1000 if tag == KEPT else None]
    ds.save_as(path, enforce_file_format=True)
    return path


def private_parts(path):
    """The raw forms in which a private key of X-Wing can lie about: its seed and what is made of it."""
    secret = PrivateKey.load(path)._secret
    expanded = hashlib.shake_256(secret).digest(96)
    return {secret, expanded[:32], expanded[32:64], expanded[64:]}


@pytest.fixture
def box(site):
    """A box at work, whose memory we may read."""
    from support.memory import search

    here = site()
    here.enrol()
    here.start_broker()
    here.start_receiver(table=False)
    here.start_capture()
    here.start_daemon()
    try:
        search(here.pid("daemon"), [b"\0"])
    except PermissionError:
        pytest.skip("needs leave to read another process's memory (root, or CAP_SYS_PTRACE)")
    return here


def watch(here, sender):
    """Search daemon, receiver of images and decoder while objects pass; what was seen in each."""
    from support.memory import frozen, search, tree

    capture = here.pid("capture")
    wanted = {"daemon": HEADER, "capture": HEADER, "decoder": HEADER, "pixels": PIXELS}
    seen = set()
    end = time.monotonic() + 60
    while seen != set(wanted) and time.monotonic() < end:
        time.sleep(0.03)
        if not sender.is_alive() and not any(here.state.glob("inbox/0*")):
            break
        for who in set(wanted) - seen:
            pids = {"capture": [capture], "decoder": tree(capture)[1:]}.get(who, [here.pid("daemon")])
            with frozen(pids):
                if any(search(pid, [wanted[who].encode()]) for pid in pids):
                    seen.add(who)
    return seen


def test_a_stolen_box_at_rest_holds_nothing_to_go_back_with(box, tmp_path):
    from support.leaks import files_below, in_bytes
    from support.memory import forms, search, tree
    from support.site import wait_for

    folder = tmp_path / "objects"
    folder.mkdir()
    # Large ones that are not classified take long on their way in, small ones that are take long inside.
    sent = [write(folder / f"{n}.dcm", 3000, modality="OT") for n in range(8)]
    sent += [write(folder / f"s{n}.dcm", 512) for n in range(4)]
    sent.append(write(folder / "kept.dcm", 256, KEPT))
    begun = tree(box.pid("capture"))
    codes = []
    sender = threading.Thread(target=lambda: codes.append(box.store(sent)))
    sender.start()
    seen = watch(box, sender)
    sender.join()
    assert (codes, seen) == ([0], {"daemon", "capture", "decoder", "pixels"}), "the control finds all"

    wait_for("an answer for each object", lambda: len(box.results("object")) == len(sent), 90)
    wait_for("an empty spool", lambda: spooled(box) == 0, 30)
    wait_for("a fresh decoder", lambda: len(now := tree(box.pid("capture"))) == 2 and now[1] not in begun, 30)
    custodian, receiver = (box.clinic / name for name in ("custodian/identity.key", "receiver/open.key"))
    keys = private_parts(custodian) | private_parts(receiver)
    words = forms(TAG) | forms(UMLAUTS) | keys
    for pid in (*tree(box.pid("daemon")), *tree(box.pid("capture"))):
        assert search(pid, words) == set()
    # The control of the keys: processes that have them are seen to have them.
    assert search(box.pid("receiver"), private_parts(receiver))
    assert holder_of(custodian, search) <= private_parts(custodian)

    disk = files_below(box.state, box.runtime, box.settings.parent, box.logs)
    planted_words = {TAG, *NAMES} - {"MRN0047711"}  # the tag stands in its place
    assert in_bytes(folder.iterdir(), planted_words) == planted_words, "the control finds all"
    assert in_bytes(disk, planted_words) == set()
    assert [path for path in disk if any(key in path.read_bytes() for key in keys)] == []
    assert [
        path for path in disk if any(pem(key) in path.read_bytes() for key in (custodian, receiver))
    ] == []
    # What does open: whoever has the disk without its encryption has the box's own keys, and so what waits
    # in quarantine for a person to look at (docs/threat-model.md, T6). It is one object, and no other.
    reader = InboxReader(box.state / "inbox", load_private(box.state / "keys" / "disk.key"))
    assert (reader.ids(), reader.quarantined()) == ([], {"unreadable": 1})
    (box.state / "quarantine").rename(tmp_path / "stolen")
    (left,) = (tmp_path / "stolen").iterdir()
    left.rename(tmp_path / "stolen" / left.stem)
    stolen = InboxReader(tmp_path / "stolen", load_private(box.state / "keys" / "disk.key"))
    assert KEPT.encode() in stolen.open(stolen.ids()[0]).data


def spooled(box):
    with sqlite3.connect(f"file:{box.state / 'spool.db'}?mode=ro", uri=True) as database:
        return database.execute("SELECT COUNT(*) FROM row").fetchone()[0]


def pem(path):
    """The secret lines of a PEM file, as they would stand in a copy of it."""
    return b"".join(path.read_bytes().splitlines()[1:-1])[-32:]


def holder_of(key, search):
    """What is found in a process that has loaded a private key."""
    program = "import sys; from pathlib import Path; from edge.wire.keys import PrivateKey\n"
    program += "key = PrivateKey.load(Path(sys.argv[1])); print(flush=True); input()"
    command = [sys.executable, "-c", program, str(key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        found = search(holder.pid, private_parts(key))
        holder.stdin.write(b"\n")
    assert found
    return found
