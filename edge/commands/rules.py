"""What may become of a command. Pure: a command, the clock and the ledger's memory in, a verdict out.

The signature was checked before (`edge.commands.room`); these rules decide about a command whose
issuer is known. Nothing that carries a deadline is judged on a clock that is not trusted: it waits.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, get_args

from edge.messages import TRANSITIONS, Command, CommandState, CommandType

SKEW_MS = 120_000
"""How far the clocks of box and clinic may differ."""

MAX_LIFE_MS = 30 * 86_400_000
"""Longest time from issue to deadline; ids are kept until the deadline, so it bounds the ledger."""

Reason = Literal[
    "forged",  # no operator of the manifest signed it
    "malformed",  # no command, or its id is not its topic's
    "misaddressed",  # meant for other boxes
    "replayed",  # the id was used before, with another content
    "wrong_role",  # the issuer's role does not allow this type
    "unknown_type",  # this box does not know the type
    "expired",
    "issued_in_future",
    "deadline_too_far",
    "interrupted",  # a restart came between, and the type does not allow a second try
]
"""Why a command was refused. A closed list, so that a status can never carry free text."""

LOST_ON_RESTART: frozenset[CommandType] = frozenset()
"""Types that happen at most once: after a restart they end ``failed(interrupted)``, unless their effect
is observed. All others are resumable: doing them twice is the same as once."""


@dataclass(frozen=True)
class Now:
    """A reading of the wall clock, and whether it may be believed."""

    unix_ms: int
    trusted: bool


@dataclass(frozen=True)
class Verdict:
    """What to do with a command.

    ``accept`` and ``reject`` are written to the ledger and told to the issuer. ``wait`` is written and
    judged again once the clock is trusted. ``drop`` leaves no trace but a count: an answer would serve
    whoever moved the message here.
    """

    act: Literal["accept", "reject", "wait", "drop"]
    reason: Reason | None = None


class IllegalTransition(Exception):  # noqa: N818 - the name says it
    """A step that the table of states does not have: a mistake in this program."""


def signing_topic(root: str, site: str, command_id: str) -> str:
    """What a command's signature is bound to: its topic with ``*`` in the place of the device.

    So a group command is signed once and published to each box of its audience. That a box of the
    same site obeys no command meant for another is the audience's business (`judge`).
    """
    return f"{root}/1/{site}/*/cmd/{command_id}"


def judge(
    command: Command, *, device: str, topic_id: str, may: AbstractSet[str], now: Now, floor_ms: int
) -> Verdict:
    """Decide about a command that the ledger does not know.

    Args:
        command: the body; its type may be one that this box does not know.
        device: this box's name.
        topic_id: the id that the topic names.
        may: the types that the issuer's role allows.
        now: the wall clock.
        floor_ms: ids whose deadline and skew ended before this were forgotten (`forgettable`).
    """
    if command.id != topic_id:
        return Verdict("drop", "malformed")
    if device not in command.audience:
        return Verdict("drop", "misaddressed")
    if command.deadline_ms + SKEW_MS <= floor_ms:
        # It may have been done and forgotten; whatever the clock says now, it is not done again.
        return Verdict("drop", "expired")
    if command.type not in get_args(CommandType):
        return Verdict("reject", "unknown_type")
    if command.type not in may:
        return Verdict("reject", "wrong_role")
    if not 0 <= command.deadline_ms - command.issued_ms <= MAX_LIFE_MS:
        return Verdict("reject", "deadline_too_far")
    if not now.trusted:
        return Verdict("wait")
    if command.deadline_ms <= now.unix_ms:
        return Verdict("reject", "expired")
    if command.issued_ms > now.unix_ms + SKEW_MS:
        return Verdict("reject", "issued_in_future")
    return Verdict("accept")


def check_step(before: CommandState | None, after: CommandState) -> None:
    """Check one step of a command's life against the table; ``None`` is before the first.

    Raises:
        IllegalTransition: the table does not have it.
    """
    allowed = ("received",) if before is None else TRANSITIONS[before]
    if after not in allowed:
        raise IllegalTransition(f"{before} -> {after}")


def terminal(state: CommandState) -> bool:
    """Whether a command in this state is finished."""
    return not TRANSITIONS[state]


def forgettable(deadline_ms: int, state: CommandState, now: Now) -> bool:
    """Whether a command's id may leave the ledger: finished, deadline and skew past by a trusted clock."""
    return now.trusted and terminal(state) and deadline_ms + SKEW_MS <= now.unix_ms
