"""An independent look at the wire: mosquitto_sub with a certificate of its own and the right to read all.

No clinic has such a client. It stands for whoever owns the broker.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone

from edge.clinic import keyring, pki
from support.site import Site, wait_for

_ROW = "%t\t%l\t%x"


@dataclass
class Wire:
    """What the broker's owner sees."""

    messages: int
    plaintext: set[str]
    table: str


def _client(site: Site, program: str) -> list[str]:
    folder = site.folder / "observer"
    return [
        program, "-V", "mqttv5", "-h", "localhost", "-p", str(site.mqtt), "-i", "observer",
        "--cafile", str(folder / "ca.pem"), "--cert", str(folder / "tls.pem"),
        "--key", str(folder / "tls.key"), "-q", "1",
    ]  # fmt: skip


def start_observer(site: Site) -> None:
    """Start it."""
    site.start("observer", [*_client(site, "mosquitto_sub"), "-t", "#", "-F", _ROW])
    wait_for("the observer", lambda: site.alive("observer"), 5)


def publish_in_clear(site: Site, text: str) -> None:
    """For the control alone: put text on the wire and into the broker's storage, unsealed."""
    site.stop("observer")  # one certificate, one connection
    command = [*_client(site, "mosquitto_pub"), "-t", "control", "-r", "-m", text]
    subprocess.run(command, check=True, capture_output=True)
    start_observer(site)


def make_observer(site: Site) -> None:
    """Give the observer a certificate and the right to read; before the broker starts."""
    folder = site.folder / "observer"
    folder.mkdir()
    root = keyring.open_root(site.clinic, None)
    key = pki.make_key()
    certificate = pki.issue_client(root.authority, key.public_key(), "observer", datetime.now(timezone.utc))
    (folder / "tls.key").write_bytes(pki.key_pem(key))
    (folder / "tls.pem").write_bytes(pki.certificate_pem(certificate))
    (folder / "ca.pem").write_bytes(pki.certificate_pem(root.authority.certificate))
    with (site.clinic / "broker" / "acl").open("a", encoding="utf-8") as acl:
        acl.write("\nuser observer\ntopic readwrite #\n")


_WORDS = (b"label", b"probabilities", b"modality", b"glioma", b"pneumonia", b"suppressed", b"patient")
"""Words of findings; none may be legible on a sealed topic. None is so short that chance could spell it."""


def summarize(site: Site) -> Wire:
    """Read the observer's log: how many messages, of which sizes, and whether anything is legible."""
    sizes: dict[str, Counter[int]] = {}
    plaintext: set[str] = set()
    messages = 0
    sample = ""
    for row in (site.logs / "observer.log").read_text(errors="replace").splitlines():
        topic, _, rest = row.partition("\t")
        length, _, payload = rest.partition("\t")
        if not length.isdigit():
            continue
        messages += 1
        kind = "/".join(topic.split("/")[4:6]) if "/cmd/" not in topic else "cmd"
        sizes.setdefault(kind, Counter())[int(length)] += 1
        if "/result/" in topic or "/event/" in topic:
            # An envelope repeats its topic, which the broker sees anyway.
            body = bytes.fromhex(payload).replace(topic.encode(), b"")
            plaintext |= {word.decode() for word in _WORDS if word in body}
            sample = sample or f"{topic}\n     {payload[:96]}..."
    rows = [
        f"   {kind:<24} {sum(count.values()):>4} messages of {min(count):>6} to {max(count):>6} bytes"
        for kind, count in sorted(sizes.items())
    ]
    return Wire(messages, plaintext, "\n".join([*rows, f"   one of them: {sample}"]))
