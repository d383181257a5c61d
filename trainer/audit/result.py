"""What an audit found, and what may be concluded from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from trainer.audit.material import Size
from trainer.audit.one_run import INTACT
from trainer.audit.pictures import Inversion
from trainer.audit.roc import Attack
from trainer.training.run_record import RunRecord


@dataclass(frozen=True)
class Membership:
    """Attacks on one training procedure, or on the released model."""

    subject: str
    claimed: float | None
    attacks: dict[str, Attack]


def refutes(attack: Attack, claimed: float | None) -> bool:
    """Whether an attack refutes a claim at 99.9 %: by bounds whose conditions are met, and by no other."""
    return claimed is not None and attack.strict is not None and attack.strict.proved > claimed


MEANS = "code of the means, at the whole epsilon"
"""Their code is audited with less noise than the run's own: at the epsilon of the whole run."""


@dataclass(frozen=True)
class Canaries:
    """One run with canaries."""

    mechanism: str
    kind: str
    """White box or black box, and what the canaries are."""
    sabotage: str
    claimed: float | None
    attack: Attack

    @property
    def refuted(self) -> bool:
        """Whether the claim is refuted, at 99.9 %, by a bound that holds for this mechanism."""
        return refutes(self.attack, self.claimed)


@dataclass(frozen=True)
class Result:
    """All that an audit found."""

    record: RunRecord
    size: Size
    members: int
    others: int
    membership: tuple[Membership, ...]
    canaries: tuple[Canaries, ...]
    inversions: tuple[Inversion, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def contradicted(self) -> list[str]:
        """What refutes a claim. Empty is evidence, not proof."""
        found = [each.mechanism for each in self.canaries if each.sabotage == INTACT.name and each.refuted]
        for each in self.membership:
            for name, attack in each.attacks.items():
                if refutes(attack, each.claimed):
                    found.append(f"{each.subject} ({name})")
        return found

    @property
    def indications(self) -> list[str]:
        """What exceeds a claim only by bounds whose conditions are not met; it refutes nothing."""
        shipped = [
            (each.mechanism, each.claimed, each.attack)
            for each in self.canaries
            if each.sabotage == INTACT.name
        ]
        shipped += [
            (f"{each.subject} ({name})", each.claimed, attack)
            for each in self.membership
            for name, attack in each.attacks.items()
        ]
        return [
            name
            for name, claimed, attack in shipped
            if claimed is not None
            and attack.strict is not None
            and attack.strict.proved <= claimed < attack.strict.indicated
        ]

    @property
    def missed(self) -> list[str]:
        """Controls that the audit did not catch: with these it is too weak to be relied upon."""
        return [
            f"{each.mechanism}: {each.sabotage}"
            for each in self.canaries
            if each.sabotage != INTACT.name and not each.refuted
        ]

    def to_json(self) -> dict[str, Any]:
        """Figures only; no image and no score of a single record."""
        return {
            "claimed": {
                "epsilon": self.record.privacy.epsilon,
                "delta": self.record.privacy.delta,
                "unit": self.record.privacy.unit,
                "adjacency": self.record.privacy.adjacency,
            },
            "contradicted": self.contradicted,
            "indications_only": self.indications,
            "controls_missed": self.missed,
            "members": self.members,
            "others": self.others,
            "size": asdict(self.size),
            "membership": [
                {
                    "subject": each.subject,
                    "claimed_epsilon": each.claimed,
                    "attacks": {name: attack.to_json() for name, attack in each.attacks.items()},
                }
                for each in self.membership
            ],
            "canaries": [
                {
                    "mechanism": each.mechanism,
                    "kind": each.kind,
                    "sabotage": each.sabotage,
                    "claimed_epsilon": each.claimed,
                    "refuted": each.refuted,
                    **each.attack.to_json(),
                }
                for each in self.canaries
            ],
            "inversion": [each.to_json() for each in self.inversions],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 1),
        }
