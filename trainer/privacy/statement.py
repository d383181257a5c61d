"""The privacy statement of a run, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

from edge.imaging.bundle import Privacy
from trainer.privacy import accounting, choices, noise
from trainer.privacy.accounting import Figures
from trainer.privacy.ledger import Account, Reservation, Run
from trainer.privacy.spend import Spend, to_json
from trainer.progress import progress

GROUPS = (2, 5)
"""Numbers of units whose joint protection is stated."""
RULE = "temperature and least probability by a rule fixed beforehand"


class Counted(Protocol):
    """The part of `trainer.privacy.units.Units` that a statement tells."""

    @property
    def count(self) -> int:
        """Number of units."""
        ...

    @property
    def cap(self) -> int:
        """Largest number of records of a unit."""
        ...

    @property
    def words(self) -> str:
        """The unit by name."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How the settings of a run came to be, as far as anybody can say."""

    chosen: str
    """How the defaults of the engine were found."""
    given: Mapping[str, object]
    """Settings that a person gave instead of the defaults."""
    prior: str
    """Where the prior comes from; empty: there is none."""
    looked: bool
    """Whether ``trainer pretrain`` made it, whose phantoms were drawn after a look at images."""
    benchmark: tuple[str, ...]
    """Sets of the public benchmark, on which defaults were chosen, that some of the images are of."""

    @property
    def words(self) -> str:
        """What was tuned, on what, at what cost."""
        parts = [choices.NETWORK, self.chosen]
        parts.append(f"prior: {self.prior}" if self.prior else "no prior")
        if self.looked:
            parts.append(choices.LOOKED)
        if self.given:
            named = ", ".join(f"{name} {value}" for name, value in self.given.items())
            parts.append(f"given by hand: {named}; how they were found is not in epsilon")
        parts.append(RULE)
        if self.benchmark:
            names = ", ".join(self.benchmark)
            parts.append(
                f"images of this run are of the public benchmark ({names}): for them what was learnt from "
                "it is not in epsilon, and that search stands in no ledger"
            )
        else:
            parts.append("no image of this run is of that benchmark: what was learnt there cost nothing")
        return "; ".join(parts)

    @property
    def free(self) -> bool:
        """Whether none of it can have come from the images of the run."""
        return not self.benchmark and not self.given


def group_epsilons(spend: Spend, delta: float) -> dict[int, float]:
    """Epsilon for as many units together as `GROUPS` says. Mixtures are slow: seconds, where it samples."""
    sampled = any(release.sampling_rate < 1 for release in spend)
    found = {}
    with progress("group privacy", len(GROUPS)) if sampled else nullcontext() as advance:
        for size in GROUPS:
            found[size] = accounting.epsilon(spend, delta, size)
            if advance is not None:
                advance("")
    return found


def privacy_statement(
    reservation: Reservation,
    figures: Figures,
    recipe: Recipe,
    units: Counted,
    *,
    clip: float,
    groups: Mapping[int, float],
) -> Privacy:
    """What the accountants say of a run on record, with everything needed to compute it again.

    Args:
        reservation: the run in its ledger.
        figures: of its spend at its delta.
        recipe: how its settings came to be.
        units: what was trained on, which may be a part of the ledger's data set.
        clip: L2 bound of one unit's contribution to a step.
        groups: what `group_epsilons` says of its spend at its delta.
    """
    run, account = reservation.run, reservation.account
    spend, delta, name = run.spend, run.delta, account.unit
    main = max(spend, key=lambda release: release.steps)
    return Privacy.model_validate(
        {
            "mode": run.mode,
            "mechanism": f"Gaussian noise on contributions clipped per {name}, composed: {_words(spend)}",
            "epsilon": figures.pld,
            "delta": delta,
            "unit": units.words,
            "records_per_unit": units.cap,
            "adjacency": f"add or remove one {name}" + (", with all its images" if name != "image" else ""),
            "sampling": _sampling(spend, name),
            "sampling_rate": main.sampling_rate,
            "noise_multiplier": main.noise,
            "releases": to_json(spend),
            "clip": clip,
            "steps": main.steps,
            "accountant": "PLD (dp-accounting)",
            "epsilon_cross_check": figures.prv,
            "epsilon_gaussian_dp": figures.gaussian,
            "group_epsilon": {str(size): round(value, 3) for size, value in groups.items()},
            "records": units.count,
            "records_public": True,
            "noise_source": noise.SOURCE,
            "tuned": recipe.words + _research(reservation),
            "tuning_cost": ("none" if recipe.free and not reservation.research else choices.NOT_FREE),
            "ledger": in_ledger(account, run),
            "not_covered": _not_covered(name, groups),
        }
    )


def renewed(privacy: Privacy, account: Account, run: Run) -> Privacy:
    """The statement of a release as it stands by now: what has been done and learnt since is told, too."""
    tuned = privacy.tuned
    update: dict[str, object] = {"ledger": in_ledger(account, run)}
    if choices.SO_FAR not in tuned and choices.WHERE in tuned:
        update["tuned"] = f"{tuned}; {choices.SO_FAR}"
    said = (privacy.model_extra or {}).get("group_epsilon") or {}
    groups = {int(size): float(value) for size, value in said.items()}
    return privacy.model_copy(update={**update, "not_covered": _not_covered(account.unit, groups)})


def _not_covered(name: str, groups: Mapping[int, float]) -> str:
    more = (
        "A patient with several images is protected less: for "
        if name == "image"
        else "Of several patients together, for example a family, for "
    )
    sizes = ", for ".join(f"{size} together epsilon is {value:.1f}" for size, value in groups.items())
    return (
        f"The unit is one {name}. {more}{sizes}. A picture that is in the training set twice"
        + ("" if name == "image" else " under two names")
        + ", for example mirrored, is protected less: as for 2 together. The names of the classes, the "
        f"number of {name}s, their number in each group of classes, their modality and how images were split "
        "are treated as public. What is shown of single test images, and figures measured on them, are no "
        "part of it. The guarantee is of this one run; what all release runs on these images spent together "
        "stands beside it."
    )


def _words(spend: Spend) -> str:
    return "; ".join(
        f"{release.what}: {release.steps} release{'s' if release.steps > 1 else ''}, noise multiplier "
        f"{release.noise:.4f}, sampling rate {release.sampling_rate:g}"
        for release in spend
    )


def _sampling(spend: Spend, unit: str) -> str:
    if all(release.sampling_rate == 1 for release in spend):
        return f"none: each release takes every {unit}"
    return f"Poisson, each {unit} on its own, drawn from the operating system's CSPRNG"


def _research(reservation: Reservation) -> str:
    runs = [run for run in reservation.research if run.id != reservation.run.id]
    if not runs:
        return ""
    benchmarks = ", ".join(sorted({run.public for run in runs if run.public}))
    bare = sum(not run.spend for run in runs)
    return (
        f"; but {len(runs)} research runs saw some of these images, as a public benchmark ({benchmarks}), "
        + (f"{bare} of them without privacy, " if bare else "")
        + "and what their makers learnt from them is not in epsilon"
    )


def in_ledger(account: Account, run: Run) -> dict[str, object]:
    """What the ledger says by now of a run and of all that was made of its images, as plain data."""
    about: dict[str, object] = {"id": account.id, "run": run.id, "line": run.line, "hash": run.hash}
    about["research_runs"] = len(account.of("research"))
    if run.public:
        about["public"] = run.public
    if account.budget is not None:
        about |= {
            "release_runs": len(account.of("release")),
            "epsilon_spent": round(account.spent(), 4),
            "budget": {"epsilon": account.budget.epsilon, "delta": account.budget.delta},
            "budget_raised": list(account.raised),
            "other_ledgers": list(account.elsewhere),
            "recorded_afterwards": [run.recorded for run in account.of("release") if run.recorded],
        }
    return about
