"""What is checked of an engine before its run is put on record: a mistake must not cost any budget."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from trainer.privacy.ghost import Loss
from trainer.privacy.private_step import Method, PrivateStepper
from trainer.privacy.units import Units
from trainer.training import distributed
from trainer.training.task import Task


class SettingError(ValueError):
    """A setting makes no sense, or asks for more than this machine has; the message says which."""


def require(holds: bool, name: str, expected: str, value: object) -> None:
    """Raise `SettingError` unless ``holds``."""
    if not holds:
        raise SettingError(f"--{name.replace('_', '-')}: expected {expected}, got {value}")


def steps(
    *, sampling_rate: float, steps: int, clip: float, rate: float, momentum: float, averaging: float
) -> None:
    """What all private training by steps asks of its numbers.

    Raises:
        SettingError: one is out of its range.
    """
    require(0 < sampling_rate <= 1, "sampling_rate", "above 0 and at most 1", sampling_rate)
    require(steps >= 1, "steps", "at least 1", steps)
    require(clip > 0, "clip", "a length above 0", clip)
    require(rate > 0, "rate", "a learning rate above 0", rate)
    require(0 <= momentum < 1, "momentum", "at least 0 and below 1", momentum)
    require(0 <= averaging < 1, "averaging", "at least 0 and below 1", averaging)


def at_least_one(**values: int) -> None:
    """Raise `SettingError` for whatever is below one."""
    for name, value in values.items():
        require(value >= 1, name, "at least 1", value)


def device(asked: str) -> torch.device:
    """Where an engine will compute; see `distributed.device`.

    Raises:
        SettingError: there is no such device.
    """
    try:
        return distributed.device(asked)
    except (RuntimeError, ValueError) as error:
        raise SettingError(str(error).splitlines()[0]) from None


def memory(mib: float, what: str) -> None:
    """Compare what will be needed with what the system says is free; where it says nothing, trust.

    Raises:
        SettingError: it is not enough.
    """
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return
    if mib > free:
        raise SettingError(f"{what} need {mib:.0f} MiB of memory, {free:.0f} are free; take fewer views")


@contextmanager
def on_this_machine(where: torch.device, advice: str) -> Iterator[None]:
    """Turn what a device or its memory refuses into words.

    Raises:
        SettingError: what is tried inside fails.
    """
    try:
        yield
        if where.type == "cuda":
            torch.cuda.synchronize(where)
    except (RuntimeError, MemoryError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingError(
            f"a trial on {where} with drawn noise in the place of images fails ({reason}); {advice}"
        ) from None
    finally:
        if where.type == "cuda":
            torch.cuda.empty_cache()


def trial_step(
    model: nn.Module, loss: Loss, records: int, *, rate: float, physical: int, views: int, method: Method
) -> None:
    """One step on one full physical batch of what ``loss`` makes up, with a copy of the model."""
    copied = copy.deepcopy(model)
    trained = [each for each in copied.parameters() if each.requires_grad]
    stepper = PrivateStepper(
        copied,
        torch.optim.SGD(trained, lr=rate),
        loss,
        noise_multiplier=1.0,
        clip=1.0,
        records=records,
        rate=1.0,
        physical=physical,
        views=views,
        method=method,
    )
    stepper.step()
    stepper.close()


def stand_in(task: Task, count: int) -> Task:
    """A task of ``count`` records with random images (count, 224, 224): a trial looks at nobody's image."""
    drawn = np.random.default_rng().integers(0, 256, (count, 224, 224), np.uint8)
    return replace(task, records=task.records[:count], images=drawn, units=Units.images(count))


def largest_batch(task: Task, physical: int) -> int:
    """Records that are in memory at once at most: whole units, of which one may be larger than asked for."""
    return min(len(task.records), max(physical, int(np.bincount(task.units.of_record).max())))
