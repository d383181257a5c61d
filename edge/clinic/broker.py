"""Mosquitto's files, rendered from the templates in ``firmware_config/broker``."""

from __future__ import annotations

import os
import pwd
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.clinic.pki import check_device_name, role_name
from edge.clinic.places import ClinicConfig, ClinicError, write
from edge.wire.envelope import MAX_BYTES
from edge.wire.topics import VERSION

_TEMPLATES = (
    Path(__file__).resolve().parents[2] / "firmware_config" / "broker",  # a checkout
    Path("/usr/share/edge/broker"),  # the package
)
MAX_PACKET = MAX_BYTES + 4096
"""Largest MQTT packet in bytes: an envelope, its topic and its properties."""

_FIELD = re.compile(r"@([A-Z_]+)@")


def render_config(
    folder: Path,
    config: ClinicConfig,
    *,
    user: str,
    bind: str = "0.0.0.0",  # noqa: S104 - the broker serves the site; a firewall narrows it
    data: Path | None = None,
) -> str:
    """Return ``mosquitto.conf`` for files that lie in ``folder``.

    Args:
        folder: where ``ca.pem``, ``server.pem``, ``server.key``, ``revoked.pem`` and ``acl`` are.
        config: gives the port.
        user: whom Mosquitto becomes when it is started as root.
        bind: address to listen on.
        data: where retained messages and sessions are kept; default ``folder/data``.

    Raises:
        ClinicError: the templates are not installed, or a path has a line break.
    """
    values = {
        "USER": user,
        "PORT": str(config.port),
        "BIND": bind,
        "DIR": str(folder.resolve()),
        "DATA": str((data or folder / "data").resolve()),
        "MAX_PACKET": str(MAX_PACKET),
    }
    return _fill("mosquitto.conf", values)


def render_acl(config: ClinicConfig, boxes: Iterable[str]) -> str:
    """Return the ACL: the clinic's roles, and a section for each box in ``boxes``.

    Raises:
        ClinicError: the templates are not installed.
        PkiError: a box has a name that could reach into another's topics.
    """
    site = f"{config.root}/{VERSION}/{config.site}"
    names = {"RECEIVER": role_name("receiver"), "OPERATOR": role_name("operator", config.operator)}
    sections = [_fill("acl-roles", {"SITE": site, **names})]
    sections += [
        _fill("acl-box", {"SITE": site, "DEVICE": check_device_name(box)}) for box in sorted(set(boxes))
    ]
    return "\n".join(sections)


def install(folder: Path, name: str, text: str) -> None:
    """Write a rendered file; it belongs to whom the folder belongs."""
    write(folder / name, text.encode(), private=True)
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(folder / name, owner.st_uid, owner.st_gid)


def give_to(folder: Path, user: str) -> None:
    """Give all of the broker's folder to the user that Mosquitto runs as (only root can).

    Raises:
        ClinicError: no such user.
    """
    try:
        pwd.getpwnam(user)
    except KeyError as error:
        raise ClinicError(f"there is no user {user!r}; is mosquitto installed?") from error
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, user)


def check_installed() -> None:
    """Look for all templates, so that no clinic is half made without them.

    Raises:
        ClinicError: they are not installed.
    """
    for name in ("mosquitto.conf", "acl-roles", "acl-box"):
        _template(name)


def _template(name: str) -> Path:
    found = next((path / name for path in _TEMPLATES if (path / name).is_file()), None)
    if found is None:
        raise ClinicError(
            f"the broker's template {name} is missing; run this from a checkout, or copy"
            f" firmware_config/broker of the source to {_TEMPLATES[-1]}"
        )
    return found


def _fill(name: str, values: Mapping[str, str]) -> str:
    template = _template(name)
    if any(re.search(r"[\r\n\0]", value) for value in values.values()):
        raise ClinicError("a path or name for the broker's configuration has a line break")
    return _FIELD.sub(lambda field: values[field[1]], template.read_text(encoding="utf-8"))
