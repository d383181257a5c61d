"""``edge clinic rotate-custodian``, ``reseal``, ``destroy-key``, ``audit``: keys that lead to patients."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime, timezone
from pathlib import Path

from edge.clinic.arguments import Sub, add_passphrase, errors, new_parser, passphrase, usage_error

_MOST_LISTED = 20


def add_rotate(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic rotate-custodian``."""
    parser = new_parser(
        sub,
        "rotate-custodian",
        "make a new identity key and the manifest that names it; the old key stays",
        ", the custodian's with --out, or the root's with --public",
    )
    half = parser.add_mutually_exclusive_group()
    half.add_argument(
        "--out", type=Path, metavar="FILE", help="the custodian's half: make the key, write its public part"
    )
    half.add_argument(
        "--public", type=Path, metavar="FILE", help="the root's half: name this key in the next manifest"
    )
    parser.add_argument(
        "--old-is-lost",
        action="store_true",
        help="no passphrase opens the old key any more: do not ask for it",
    )
    add_passphrase(parser, "opens the keys that are here, and encrypts the new one")
    parser.set_defaults(run=_rotate)


def _rotate(args: argparse.Namespace) -> int:
    from edge.clinic import custody, keyring
    from edge.clinic.places import role_folder
    from edge.enroll import fingerprint
    from edge.wire.keys import Recipient

    with errors():
        words = passphrase(args)
        # Both must be here before a key is made that nobody would name.
        root = None if args.out else keyring.open_root(args.dir, words)
        if args.public:
            recipient = Recipient.load(args.public)
        else:
            place = role_folder(args.dir, "custodian")
            recipient = custody.make_key(place, words, others_are_lost=args.old_is_lost)
        print(f"identity key {recipient.kid.hex()}, fingerprint {fingerprint(recipient.raw)}")
        if args.out:
            recipient.save(args.out)
            print(
                f"compare the fingerprint at the root: edge clinic rotate-custodian DIR --public {args.out}"
            )
        if root:
            manifest = custody.name_custodian(root, recipient, datetime.now(timezone.utc))
            print(
                f"manifest, version {manifest.version}, names it; take manifest.cose to each box and to roles"
            )
            print("that moved away; then: edge clinic reseal")
    return 0


def add_reseal(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic reseal``."""
    parser = new_parser(
        sub, "reseal", "seal identities under older keys to the present one; audited", " or the custodian's"
    )
    _add_vault(parser)
    add_passphrase(parser, "opens the custodian's keys")
    parser.set_defaults(run=_reseal)


def _add_vault(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vault", type=Path, metavar="FILE", help="the receiver's vault, or a copy of it")


def _vault(args: argparse.Namespace) -> Path:
    from edge.clinic.receive import VAULT

    vault: Path = args.vault or args.dir / "receiver" / VAULT
    return vault


def _reseal(args: argparse.Namespace) -> int:
    from edge.clinic.reidentify import reseal

    done = failed = 0
    with errors():
        for block, why in reseal(args.dir, _vault(args), passphrase=passphrase(args), by=getpass.getuser()):
            if why:
                failed += 1
                print(f"not opened ({why}): object {block.object.hex()} of {block.device}", file=sys.stderr)
            else:
                done += 1
    print(f"sealed anew: {done}; not opened: {failed}")
    return 1 if failed else 0


def add_destroy(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic destroy-key``."""
    parser = new_parser(
        sub, "destroy-key", "list what becomes unreadable with an old identity key, and destroy it by order",
        " or the custodian's",
    )  # fmt: skip
    parser.add_argument("kid", metavar="KID", help="name of the key, 32 hex digits")
    _add_vault(parser)
    parser.add_argument(
        "--order", metavar="WORD", help="the word under the list, as a sign that the list was read"
    )
    add_passphrase(parser, "opens the custodian's keys")
    parser.set_defaults(run=_destroy)


def _destroy(args: argparse.Namespace) -> int:
    from edge.clinic import custody
    from edge.clinic.places import current_manifest, read_config, role_folder
    from edge.clinic.reidentify import AUDIT, note

    with errors():
        kid = _kid(args.kid)
        place = role_folder(args.dir, "custodian")
        manifest = current_manifest(place, read_config(place), None)
        loss = custody.what_is_lost(place, _vault(args), manifest, kid)
        print(f"without key {args.kid}, {len(loss.objects)} objects of this vault cannot be opened any more")
        for device, handle in loss.objects[:_MOST_LISTED]:
            print(f"  object {handle.hex()} of {device}")
        if len(loss.objects) > _MOST_LISTED:
            print(f"  and {len(loss.objects) - _MOST_LISTED} more")
        for box in loss.unsettled:
            print(f"  {box} has sent nothing under the newer key yet: what waits on it may be lost, too")
        if args.order is None:
            print(f"to destroy the key, repeat this with: --order {loss.order}")
            return 1
        if args.order != loss.order:
            raise usage_error(f"{args.order!r} is not the word under this list, which is {loss.order}")
        # The line comes first: no key may be gone without one that tells of it.
        path = custody.find_key(place, kid, passphrase(args))
        fields = {"kid": args.kid, "objects": len(loss.objects), "unsettled": len(loss.unsettled)}
        note(place / AUDIT, getpass.getuser(), "key destroyed", **fields)
        custody.destroy(path)
    print(f"key {args.kid} is destroyed; destroy its copies, too")
    return 0


def _kid(text: str) -> bytes:
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 16:
        raise usage_error(f"{text!r} names no key; expected 32 hex digits")
    return kid


def add_audit(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic audit``."""
    parser = new_parser(
        sub, "audit", "check that no line of the custodian's audit log was altered or taken out",
        " or the custodian's",
    )  # fmt: skip
    parser.set_defaults(run=_audit)


def _audit(args: argparse.Namespace) -> int:
    from edge.clinic.places import role_folder
    from edge.clinic.reidentify import AUDIT
    from edge.store import audit

    with errors():
        checked = audit.check(role_folder(args.dir, "custodian") / AUDIT)
    if checked.broken:
        print(f"line {checked.broken} does not follow from the one before it: somebody changed the log")
        return 1
    print(f"{checked.lines} lines, each follows from the one before; last {checked.last}")
    print("note the last digest elsewhere: a log that was cut short does not show it")
    return 0
