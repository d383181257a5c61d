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

    @property
    def clip(self) -> float:
        """L2 bound of one unit's contribution to a step."""
        ...

    @property
    def needs_prior(self) -> bool:
        """Whether training makes no sense without procedurally pretrained features."""
        ...

    def spend(self, records: int, target: float, delta: float) -> Spend:
        """All that training on ``records`` units will release, calibrated; looks at nothing private."""
        ...

    def train(self, net: EdgeNet, task: Task, spend: Spend) -> None:
        """Train ``net`` in place by exactly the releases of ``spend``."""
        ...
