"""Check what is tracked: where it stands, how large it is, and what no file may say.

Usage: check_layout.py [ROOT]

- Top-level entries are those of the design and nothing else.
- A file of more than 1 MB is on the list below.
- Pictures and medical images are not tracked, but for docs/ and the list below: they could show a patient.
- No file names a package index or a path of somebody's machine: both belong to the user's configuration.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

TOP_LEVEL = {
    ".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "docs", "edge",
    "firmware_config", "pyproject.toml", "scripts", "tests", "trainer",
}  # fmt: skip
REQUIRED = TOP_LEVEL - {"docs"}
LARGE_BYTES = 1_000_000
# The shipped model (two ONNX files of together at most 8 MB, golden inputs and outputs), the weights that
# private training starts from, learnt from drawn phantoms alone (trainer/prior/pretrain.py), and those of
# the box's own detectors (trainer/detectors).
LARGE_ALLOWED = re.compile(
    r"firmware_config/model/.+\.(onnx|npz)|trainer/prior/prior\.npz|edge/anonymize/data/(faces|text)\.onnx"
)
PICTURES = {
    ".dcm",
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
    ".webp",
    ".avi",
    ".mp4",
    ".mkv",
    ".nii",
}
# An official NASA portrait in the public domain; the face that the detectors' self-test looks for.
PICTURES_ALLOWED = {"edge/anonymize/data/known-face.png"}

# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "a package index": re.compile(
        r"pyp[i]\.org|pythonhoste[d]\.org|pytorc[h]\.org/whl|(?<!no-emit-)(?<![a-z])inde[x][-_]url\b|\bfind[-_]link[s]\b",
        re.IGNORECASE,
    ),
    "a path of one machine": re.compile(r"(?<![\w./$}*-])/(wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)(?![\w.-])"),
}


def complaints(root: Path, tracked: Iterable[str]) -> Iterator[str]:
    """Say what is wrong with the tracked files, one line each."""
    paths = sorted(tracked)
    top = {path.split("/")[0] for path in paths}
    for name in sorted(top - TOP_LEVEL):
        yield f"{name}: does not belong at the top; the design names what does"
    for name in sorted(REQUIRED - top):
        yield f"{name}: missing"
    for path in paths:
        file = root / path
        if not file.is_file():
            continue  # removed from the working tree, not yet from the index
        if file.stat().st_size > LARGE_BYTES and not LARGE_ALLOWED.fullmatch(path):
            yield f"{path}: larger than 1 MB and not on the list in {Path(__file__).name}"
        if file.suffix.lower() in PICTURES and not path.startswith("docs/") and path not in PICTURES_ALLOWED:
            yield f"{path}: a picture or recording; tests draw their own"
        yield from _said(path, file.read_bytes())


def _said(path: str, data: bytes) -> Iterator[str]:
    if b"\0" in data[:8192]:
        return
    for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), start=1):
        for what, pattern in FORBIDDEN.items():
            if pattern.search(line):
                yield f"{path}:{number}: names {what}"


def main(arguments: Sequence[str]) -> int:
    """Run the check on the checkout; 0 if all is well."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z"], check=True, capture_output=True
    ).stdout
    tracked = [name for name in listed.decode().split("\0") if name]
    found = list(complaints(root, tracked))
    for line in found:
        print(f"layout: {line}", file=sys.stderr)
    if not found:
        print(f"layout: {len(tracked)} tracked files, all in place")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
