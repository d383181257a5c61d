"""What an engine of private training is, to the orchestration."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from trainer.network.edge_net import EdgeNet
from trainer.privacy.spend import Spend
from trainer.training.task import Task


class Engine(Protocol):
    """A frozen dataclass whose fields are its settings; they are written into the run's record."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]

    chosen: ClassVar[str]
    """How the defaults of its settings were found, for the privacy statement."""
    beside: ClassVar[frozenset[str]]
    """Settings that say where and how it computes, not what; they are no part of the recipe."""

    @property
    def clip(self) -> float:
        """L2 bound of one unit's contribution to a step."""
        ...

    @property
    def needs_prior(self) -> bool:
        """Whether training makes no sense without procedurally pretrained features."""
        ...

    def spend(self, target: float, delta: float) -> Spend:
        """All that training will release, calibrated; looks at nothing private."""
        ...

    def settled(self, spend: Spend, units: int) -> Engine:
        """With what is None said, where it follows from noise and number of units, which are public."""
        ...

    def check(self, net: EdgeNet, task: Task) -> None:
        """Try everything that could go wrong for a reason known beforehand; changes nothing.

        Called before the run is on record, so that a mistake costs no budget. Under ``torchrun`` it returns
        when it has succeeded in all processes.

        Raises:
            ValueError: a setting makes no sense, or this machine lacks the device or the memory.
        """
        ...

    def train(self, net: EdgeNet, task: Task, spend: Spend) -> None:
        """Train ``net`` in place by exactly the releases of ``spend``."""
        ...
