"""Refuse dependencies under the GPL or AGPL, and those whose licence nobody knows.

Usage: check_licences.py [--lock FILE]... [PACKAGE ...]

Judged are all distributions installed beside this interpreter, and it is an error if a package of
a lock or one named on the command line is neither installed nor reviewed in licences.toml. What a
distribution says is taken in this order: License-Expression (PEP 639, SPDX), the licence
classifiers, the License field. A GPL among several licences of which one may choose (``OR``) is
no obstacle. A wheel that carries the text of the GPL for a part of it needs a reason in licences.toml.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OWN = "edge-box"
INSTALLERS = {"pip", "uv", "wheel"}  # bring the environment about; no part of the product or its tests

# Classifiers and free text that name one licence, in SPDX's words.
SPOKEN = {
    "apache software license": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "zlib/libpng license": "Zlib",
}
_GPL_TEXT = re.compile(r"^\s*GNU (AFFERO )?GENERAL PUBLIC LICENSE\s+Version [123]", re.MULTILINE)
_GPL_NAME = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.IGNORECASE)
_LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice|3rdparty", re.IGNORECASE)


@dataclass(frozen=True)
class Rules:
    """What is accepted: SPDX identifiers, reviewed packages, and wheels that carry a GPL text."""

    allowed: frozenset[str]
    reviewed: frozenset[str]
    carries: frozenset[str]

    @classmethod
    def load(cls, path: Path) -> Rules:
        """Read licences.toml."""
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in (*data["reviewed"].values(), *data["carries"].values()):
            if not entry["why"]:
                raise ValueError(f"{path}: an entry without a reason")
        return cls(frozenset(data["allowed"]), frozenset(data["reviewed"]), frozenset(data["carries"]))

    def reviewed_name(self, name: str) -> bool:
        """Whether a package, or a family such as ``nvidia-*``, is among the reviewed."""
        return any(fnmatchcase(name, pattern) for pattern in self.reviewed)


def normal(name: str) -> str:
    """Spell a package's name as the index does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def acceptable(expression: str, allowed: frozenset[str]) -> bool:
    """Tell whether an SPDX expression can be met with the allowed licences alone.

    ``AND`` binds tighter than ``OR`` (SPDX 2.3, annex D.4.5); a licence WITH an exception is one of its own.
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression)

    def either() -> bool:
        met = both()
        while tokens and tokens[0].upper() == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while tokens and tokens[0].upper() == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        name = tokens.pop(0)
        if name == "(":
            met = either()
            if tokens.pop(0) != ")":
                raise IndexError
            return met
        if tokens and tokens[0].upper() == "WITH":
            tokens.pop(0)
            name = f"{name} WITH {tokens.pop(0)}"
        return name in allowed

    try:
        return either() and not tokens
    except IndexError:  # the expression ends where a licence was due: what cannot be read is not accepted
        return False


def said(metadata: Any) -> str:
    """Give the licence that a distribution's metadata state, as an SPDX expression where they allow it."""
    if metadata.get("License-Expression"):
        return str(metadata["License-Expression"])
    classifiers = [
        c.split(" :: ")[-1] for c in metadata.get_all("Classifier", []) if c.startswith("License ::")
    ]
    names = [c for c in classifiers if c not in ("OSI Approved", "DFSG approved")]
    field = str(metadata.get("License") or "").strip()
    if "\n" not in field and _GPL_NAME.search(field):
        names.append(field)  # a classifier must not hide it
    if not names and field and "\n" not in field:
        names = [field]
    return " AND ".join(SPOKEN.get(name.lower(), name) for name in names)


def carried_gpl(dist: Distribution) -> Iterator[str]:
    """Name every licence text of a distribution that is, or contains, the text of the GPL."""
    metadata: Any = dist.metadata
    if _GPL_TEXT.search(str(metadata.get("License") or "")):
        yield "its License field"
    for file in dist.files or []:
        if _LICENCE_FILE.search(str(file)) and file.suffix not in (".py", ".pyc"):
            path = Path(str(file.locate()))
            if path.is_file() and _GPL_TEXT.search(path.read_text(encoding="utf-8", errors="replace")):
                yield str(file)


def complaints(dists: Iterable[Distribution], needed: Iterable[str], rules: Rules) -> Iterator[str]:
    """Say what is wrong, one line a package."""
    seen = set()
    for dist in dists:
        name = normal(dist.metadata["Name"])
        if name in seen or name == OWN or name in INSTALLERS:
            continue
        seen.add(name)
        licence = said(dist.metadata)
        if not acceptable(licence, rules.allowed):
            if _GPL_NAME.search(licence):
                yield f"{name}: refused: {licence}"
            elif not rules.reviewed_name(name):
                yield f"{name}: licence {licence or 'unknown'!r} is not listed; read it, then add a reason"
        if name not in rules.carries:
            yield from (
                f"{name}: carries the text of the GPL ({where}); add a reason" for where in carried_gpl(dist)
            )
    for name in sorted({normal(n) for n in needed} - seen - rules.reviewed):
        yield f"{name}: neither installed nor reviewed, so its licence is unknown"


def locked(lines: Iterable[str]) -> Iterator[str]:
    """Name the packages of a lock that this interpreter would install."""
    version = sys.version_info[:2]
    for line in lines:
        match = re.match(r"([A-Za-z0-9][\w.-]*)==\S+(?:\s*;\s*([^\\]*))?", line)
        if match and _applies(match[2] or "", version):
            yield match[1]


def _applies(marker: str, version: tuple[int, ...]) -> bool:
    """Whether a marker of our locks applies here; what it does not know it counts as applying."""
    if "win32" in marker:
        return False
    for operator, wanted in re.findall(r"python_full_version (<|>=|==) '([\d.]+)", marker):
        bound = tuple(int(part) for part in wanted.strip(".").split("."))[:2]
        if not {"<": version < bound, ">=": version >= bound, "==": version == bound}[operator]:
            return False
    return True


def main(arguments: Sequence[str]) -> int:
    """Run the check; 0 if every licence is acceptable."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lock", type=Path, action="append", default=[], help="requirements file to be covered"
    )
    parser.add_argument("--rules", type=Path, default=Path(__file__).with_name("licences.toml"))
    parser.add_argument("package", nargs="*", help="package to be covered beside the locks")
    args = parser.parse_args(arguments)
    needed = [n for lock in args.lock for n in locked(lock.read_text(encoding="utf-8").splitlines())]
    installed = list(distributions())
    found = list(complaints(installed, [*needed, *args.package], Rules.load(args.rules)))
    for line in found:
        print(f"licence: {line}", file=sys.stderr)
    if not found:
        print(f"licences: {len({d.metadata['Name'] for d in installed})} distributions, none under the GPL")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
