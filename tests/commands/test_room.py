"""The commands' shell: real signatures, a real ledger, attacks, restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.commands.ledger import Ledger
from edge.commands.room import CommandRoom, Executor
from edge.commands.rules import SKEW_MS, Now, signing_topic
from edge.messages import Command, CommandStatus
from edge.store.database import StoreError
from edge.wire.codec import decode_as, encode
from edge.wire.keys import SigningKey
from edge.wire.manifest import Manifest, Operator
from edge.wire.signed import sign_message, verify_message
from edge.wire.topics import Topics

T0 = 1_700_000_000_000
NOW = Now(T0, trusted=True)
TOPICS = Topics("edge", "demo", "box-1")


class Place:
    """A box's command room and the people who write to it."""

    def __init__(self, path: Path, *, run: Executor | None = None) -> None:
        self.path = path
        self.box, self.anna, self.eve = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
        self.guest = SigningKey.generate()
        self.manifest: Manifest | None = Manifest(
            version=1,
            site="demo",
            issued_ms=0,
            expires_ms=T0 * 2,
            operators=[
                Operator(name="anna", public=self.anna.public.raw, commands=["ping", "status"]),
                Operator(name="guest", public=self.guest.public.raw, commands=["status"]),
            ],
        )
        self.done: list[str] = []
        self.run: Executor = run or self._run
        self.start()

    def _run(self, command: Command) -> dict[str, Any]:
        self.done.append(command.id)
        return {"pong": True}

    def _executor(self, command: Command) -> dict[str, Any]:
        return self.run(command)

    def start(self) -> None:
        self.ledger = Ledger(self.path, "box-1")
        self.room = CommandRoom(
            topics=TOPICS,
            ledger=self.ledger,
            key=self.box,
            manifest=lambda: self.manifest,
            executors={
                "ping": self._executor,
                "status": self._executor,
            },
        )

    def restart(self) -> None:
        self.ledger.close()
        self.start()

    def command(self, **other: Any) -> Command:
        base = {
            "id": str(uuid.uuid4()),
            "type": "ping",
            "audience": ["box-1"],
            "issued_ms": T0,
            "deadline_ms": T0 + 60_000,
        }
        return Command.model_construct(**{"v": 1, "kind": "command", "args": {}, **base, **other})

    def sign(self, command: Command, key: SigningKey | None = None, *, site: str = "demo") -> bytes:
        return sign_message(signing_topic("edge", site, command.id), encode(command), key or self.anna)

    def send(self, command: Command, key: SigningKey | None = None, now: Now = NOW) -> None:
        self.room.handle(TOPICS.cmd(command.id), self.sign(command, key), now)

    def tell(self) -> list[CommandStatus]:
        """Publish the outbox and return what a reader of the topic sees."""
        seen = []
        for row in self.room.untold():
            verified = verify_message(row.payload, row.topic, [self.box.public])
            seen.append(decode_as(CommandStatus, verified.payload))
            self.room.told(row.n)
        return seen

    def states(self) -> list[str]:
        return [status.state + (f"({status.reason})" if status.reason else "") for status in self.tell()]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    here = Place(tmp_path / "ledger")
    yield here
    here.ledger.close()


def test_a_command_lives_through_its_states_and_is_done_once(place: Place) -> None:
    order = place.command()
    place.send(order)
    statuses = place.tell()
    assert [status.state for status in statuses] == ["received", "accepted", "executing", "succeeded"]
    assert statuses[-1].result == {"pong": True}
    assert {status.id for status in statuses} == {order.id}
    assert place.done == [order.id]
    assert place.tell() == [], "the outbox is empty"


def test_a_retained_command_that_comes_again_is_answered_again_but_not_done_again(place: Place) -> None:
    """Cites T10 of the threat model: replay."""
    order = place.command()
    for _ in range(3):
        place.send(order)
    place.tell()
    place.restart()
    place.send(order)
    assert place.states() == ["succeeded"], "the issuer who missed it hears the last state"
    assert place.done == [order.id]


def test_the_same_id_with_another_content_is_refused(place: Place) -> None:
    order = place.command()
    place.send(order)
    place.tell()
    place.send(place.command(id=order.id, args={"again": True}))
    assert (place.done, place.states(), place.room.refused["replayed"]) == ([order.id], [], 1)


def test_a_replay_after_the_ledger_forgot_is_refused_even_if_the_clock_is_set_back(place: Place) -> None:
    order = place.command()
    place.send(order)
    place.tell()
    place.room.tick(Now(order.deadline_ms + SKEW_MS - 1, trusted=True))
    assert place.ledger.get(order.id)
    place.room.tick(Now(order.deadline_ms + SKEW_MS, trusted=True))
    assert place.ledger.get(order.id) is None
    place.restart()
    place.send(order)  # at the old time
    assert (place.done, place.states(), place.room.refused["expired"]) == ([order.id], [], 1)


def test_an_untold_status_keeps_its_command_from_being_forgotten(place: Place) -> None:
    order = place.command()
    place.send(order)
    place.room.tick(Now(T0 * 2, trusted=True))
    assert place.states() == ["received", "accepted", "executing", "succeeded"]
    place.room.tick(Now(T0 * 2, trusted=True))
    assert place.ledger.get(order.id) is None


@pytest.mark.parametrize(
    "how", ["stranger", "flipped", "other topic", "other site", "box's own key", "garbage", "no manifest"]
)
def test_a_forged_command_leaves_no_trace_but_a_count(place: Place, how: str) -> None:
    """Cites T10 of the threat model: forged."""
    order = place.command()
    data, topic = place.sign(order), TOPICS.cmd(order.id)
    if how == "stranger":
        data = place.sign(order, place.eve)
    elif how == "flipped":
        data = data[:-1] + bytes([data[-1] ^ 1])
    elif how == "other topic":
        topic = TOPICS.cmd(str(uuid.uuid4()))
    elif how == "other site":
        data = place.sign(order, site="elsewhere")
    elif how == "box's own key":
        data = place.sign(order, place.box)
    elif how == "garbage":
        data = b"\xff" * 100
    else:
        place.manifest = None
    place.room.handle(topic, data, NOW)
    assert (place.done, place.states(), place.room.refused["forged"]) == ([], [], 1)
    assert place.ledger.get(order.id) is None


def test_a_revoked_operator_is_a_stranger(place: Place) -> None:
    assert place.manifest
    place.manifest = place.manifest.model_copy(update={"revoked": [place.anna.kid]})
    place.send(place.command())
    assert (place.done, place.room.refused["forged"]) == ([], 1)


def test_wrong_role_is_answered(place: Place) -> None:
    place.send(place.command(), place.guest)
    assert place.states() == ["received", "rejected(wrong_role)"]
    place.send(place.command(type="status"), place.guest)
    assert place.states()[-1] == "succeeded"
    assert len(place.done) == 1


def test_a_command_for_another_box_is_not_obeyed(place: Place) -> None:
    place.send(place.command(audience=["box-2"]))
    order = place.command(audience=["box-1", "box-2"])
    place.room.handle(Topics("edge", "demo", "box-2").cmd(order.id), place.sign(order), NOW)
    assert (place.done, place.states(), place.room.refused["misaddressed"]) == ([], [], 2)


def test_a_group_command_is_obeyed_by_each_of_its_boxes(place: Place) -> None:
    place.send(place.command(audience=["box-2", "box-1"]))
    assert place.states()[-1] == "succeeded"


def test_expired_and_unknown_are_answered(place: Place) -> None:
    place.send(place.command(deadline_ms=T0), now=Now(T0 + 1, trusted=True))
    assert place.states() == ["received", "rejected(expired)"]
    place.send(place.command(type="wipe-everything"))
    assert place.states() == ["received", "rejected(unknown_type)"]
    assert place.done == []


def test_what_no_command_is_is_counted(place: Place) -> None:
    order = place.command()
    data = sign_message(signing_topic("edge", "demo", order.id), b"\xa0", place.anna)
    place.room.handle(TOPICS.cmd(order.id), data, NOW)
    place.room.handle("nonsense", data, NOW)
    place.room.handle(TOPICS.cmd(order.id), b"", NOW)  # a cleared command is nothing at all
    assert place.room.refused == {"malformed": 2}


def test_on_an_untrusted_clock_a_command_waits_and_is_then_done_or_expired(place: Place) -> None:
    """Cites F7 of the threat model."""
    early, late = place.command(), place.command(deadline_ms=T0 + 10)
    doubtful = Now(1000, trusted=False)
    place.send(early, now=doubtful)
    place.send(late, now=doubtful)
    place.room.tick(doubtful)
    assert (place.done, place.states()) == ([], ["received", "received"])
    place.restart()
    place.room.tick(Now(T0 + 20, trusted=True))
    assert place.done == [early.id]
    assert sorted(place.states()) == ["accepted", "executing", "rejected(expired)", "succeeded"]


def test_an_operator_revoked_while_his_command_waits_is_not_obeyed(place: Place) -> None:
    place.send(place.command(), now=Now(0, trusted=False))
    assert place.manifest
    place.manifest = place.manifest.model_copy(update={"revoked": [place.anna.kid]})
    place.room.tick(NOW)
    assert (place.done, place.states()) == ([], ["received", "rejected(wrong_role)"])


def test_an_executor_that_raises_ends_the_command_failed_and_tells_no_text(place: Place) -> None:
    def breaks(_: Command) -> dict[str, Any]:
        raise RuntimeError("name of a patient")

    place.run = breaks
    place.send(place.command())
    assert place.states()[-1] == "failed(RuntimeError)"


def test_a_command_that_was_interrupted_past_its_deadline_times_out(place: Place) -> None:
    class PowerCutError(BaseException):
        pass

    def cut(_: Command) -> dict[str, Any]:
        raise PowerCutError

    place.run = cut
    with pytest.raises(PowerCutError):
        place.send(place.command())
    place.restart()
    place.room.tick(Now(T0 + 60_000, trusted=True))
    assert place.states() == ["received", "accepted", "executing", "timed_out"]


@pytest.mark.parametrize("moment", ["accepted", "executing", "succeeded"])
def test_killed_at_each_transition_a_command_still_ends_once(tmp_path: Path, moment: str) -> None:
    """Cites T15: SIGKILL in the ledger's own process just before the step is committed."""
    code = (
        "import os, sys, signal; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from test_room import Place, NOW\n"
        "import edge.commands.ledger as l\n"
        "place = Place(Path(sys.argv[1])); Path(sys.argv[1] + '.key').write_bytes(place.anna.public.raw)\n"
        "step = place.ledger.step\n"
        "def cut(status):\n"
        f"    if status.state == {moment!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    step(status)\n"
        "place.ledger.step = cut\n"
        "place.send(place.command())\n"
    )
    path = tmp_path / "ledger"
    arguments = [sys.executable, "-c", code, str(path), str(Path(__file__).parent)]
    assert subprocess.run(arguments, check=False, env={**os.environ}).returncode == -signal.SIGKILL
    place = Place(path)
    assert place.manifest
    raw = (tmp_path / "ledger.key").read_bytes()
    place.manifest = place.manifest.model_copy(
        update={"operators": [Operator(name="anna", public=raw, commands=["ping"])]}
    )
    # The statuses were not published before the cut; the box that comes back tells all of them.
    place.room.tick(NOW)
    assert place.states() == ["received", "accepted", "executing", "succeeded"]
    assert len(place.done) == 1
    place.room.tick(NOW)
    assert (place.states(), len(place.done)) == ([], 1)
    place.ledger.close()


def test_the_ledger_is_owner_only_and_an_illegal_step_changes_nothing(place: Place) -> None:
    assert place.path.stat().st_mode & 0o077 == 0
    order = place.command()
    place.send(order)
    place.tell()
    with pytest.raises(Exception, match="succeeded -> executing"):
        place.ledger.step(CommandStatus(id=order.id, device="box-1", state="executing", made_ms=0))
    with pytest.raises(ValueError, match="of this id"):
        place.ledger.receive(order, b"", b"", NOW)
    assert place.states() == []


def test_a_broken_disk_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path, "box-1")
    ledger.close()
    for use in (ledger.unfinished, ledger.untold, lambda: ledger.told(1), lambda: ledger.get("x")):
        with pytest.raises(StoreError):
            use()
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="damaged"):
        Ledger(path, "box-1")
    with pytest.raises(StoreError):
        Ledger(tmp_path / "none" / "ledger.db", "box-1")
