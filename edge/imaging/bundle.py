"""The model bundle: a directory signed with TUF, and what a box must know about the model in it.

    metadata/  root.json timestamp.json snapshot.json targets.json [2.root.json ...]
    targets/   bundle.json privacy.json model.fp32.onnx model.fp16.onnx golden.npz MODEL_CARD.md

The chain of trust is verified by `edge.imaging.tuf_chain`; this module reads what it vouches for.
A bundle without a privacy statement is refused: nobody could say what the model gives away.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.imaging import preprocess
from edge.imaging.tuf_chain import ChainError, verify_directory

FORMAT = 1
SPEC = "bundle.json"
PRIVACY = "privacy.json"
GOLDEN = "golden.npz"
CARD = "MODEL_CARD.md"
FP32 = "model.fp32.onnx"
FP16 = "model.fp16.onnx"
REQUIRED = (SPEC, PRIVACY, GOLDEN, CARD, FP32, FP16)

Which = Literal["fp32", "fp16"]


class BundleError(Exception):
    """The bundle must not be used. The message says what is wrong with it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class ClassInfo(_Part):
    """One class, in the order of the logits. ``group`` is the set of classes it is told apart in."""

    name: str
    group: str


class IntendedUse(_Part):
    """The images one group of classes was made for. An empty string in ``views`` admits an unset view."""

    group: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    views: tuple[str, ...] = ("",)


class Likeness(_Part):
    """What the images of one group look like to the network: a direction among its features.

    Features times ``direction`` is 1 for the mean image of the group. Below ``least`` an image is not of the
    group, whatever its header says.
    """

    direction: tuple[float, ...] = Field(min_length=1)
    least: float


class Spec(_Part):
    """``bundle.json``."""

    format: Literal[1]
    name: str
    made: str
    preprocess: str
    classes: tuple[ClassInfo, ...] = Field(min_length=1)
    intended_use: tuple[IntendedUse, ...] = Field(min_length=1)
    temperature: dict[str, float]
    min_probability: dict[str, float]
    golden_tolerance: dict[str, float]
    likeness: dict[str, Likeness] = Field(default_factory=dict)
    """Of every group, or of none: then the header alone says what an image is."""

    @model_validator(mode="after")
    def _groups_agree(self) -> Spec:
        groups = {each.group for each in self.classes}
        for what, named in (
            ("intended_use", {each.group for each in self.intended_use}),
            ("temperature", set(self.temperature)),
            ("min_probability", set(self.min_probability)),
        ):
            if named != groups:
                raise ValueError(f"{what} speaks of groups {sorted(named)}, the classes of {sorted(groups)}")
        if self.likeness and set(self.likeness) != groups:
            raise ValueError(f"likeness speaks of groups {sorted(self.likeness)}, expected {sorted(groups)}")
        if any(not value > 0 for value in self.temperature.values()):
            raise ValueError("expected every temperature above 0")
        return self


class Privacy(_Part):
    """``privacy.json``: the guarantee, and all that is needed to check it."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    mode: Literal["release", "research"] = "release"
    """``research``: trained on a public benchmark without a limit on what was spent; boxes refuse it."""
    mechanism: str
    epsilon: Annotated[float, Field(gt=0)] | None
    """None says plainly that the model was trained without a guarantee."""
    delta: Annotated[float, Field(gt=0, lt=1)] | None
    unit: str
    adjacency: str
    sampling: str
    sampling_rate: float
    noise_multiplier: float
    clip: float
    steps: int
    accountant: str
    epsilon_cross_check: float | None
    records: int
    records_public: bool
    noise_source: str
    tuned: str
    tuning_cost: str
    not_covered: str


@dataclass(frozen=True, eq=False)
class Golden:
    """Procedural inputs (N, 3, 224, 224) float32 and the reference's logits (N, classes).

    They judge the network alone: the images of the file count as preprocessed, whatever options are on.
    """

    inputs: NDArray[np.float32]
    logits: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose signatures and digests were verified when it was loaded."""

    path: Path
    digest: bytes
    """SHA-256 of the targets metadata, which names the digest of every file."""
    version: int
    """TUF version of the targets; a newer release has a higher one."""
    expired: tuple[str, ...]
    """Roles whose metadata was past its expiry at the given time. Told, never a reason to stop."""
    spec: Spec
    privacy: Privacy
    golden: Golden
    _digests: Mapping[str, bytes]

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Classes in the order of the logits."""
        return self.spec.classes

    @property
    def intended_use(self) -> tuple[IntendedUse, ...]:
        """What the model may be shown."""
        return self.spec.intended_use

    @property
    def temperature(self) -> dict[str, float]:
        """Divisor of the logits of each group before the softmax."""
        return self.spec.temperature

    @property
    def min_probability(self) -> dict[str, float]:
        """Probability of the best class of each group below which the box abstains."""
        return self.spec.min_probability

    @property
    def preprocessing(self) -> preprocess.Preprocessing:
        """What is done to an image before the network sees it."""
        return preprocess.parse(self.spec.preprocess)

    @property
    def likeness(self) -> dict[str, Likeness]:
        """How images of each group look to the network; empty if the bundle does not say."""
        return self.spec.likeness

    @property
    def model_fp32(self) -> Path:
        """The reference network."""
        return self.path / "targets" / FP32

    @property
    def model_fp16(self) -> Path:
        """The strongly typed half-precision network, from which engines are built."""
        return self.path / "targets" / FP16

    def model_digest(self, which: Which) -> bytes:
        """SHA-256 of one of the two networks."""
        return self._digests[FP32 if which == "fp32" else FP16]

    def read_model(self, which: Which) -> bytes:
        """The bytes of a network, verified again now.

        Raises:
            BundleError: the file changed since the bundle was loaded.
        """
        path = self.model_fp32 if which == "fp32" else self.model_fp16
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path.name} cannot be read ({error.strerror}); install it again") from None
        if hashlib.sha256(data).digest() != self.model_digest(which):
            raise BundleError(f"{path.name} changed since it was verified; install the bundle again")
        return data

    def class_indices(self, group: str) -> list[int]:
        """Positions of a group's classes in the logits."""
        return [index for index, each in enumerate(self.classes) if each.group == group]

    @classmethod
    def load(
        cls, path: Path, trusted_root: Path, now: datetime | None = None, *, allow_research: bool = False
    ) -> Bundle:
        """Verify a bundle from the trusted root down and read it.

        Args:
            path: directory of the bundle.
            trusted_root: TUF root metadata installed with the box; the bundle's own root is not trusted.
            now: UTC time to tell expiry by; None tells nothing.
            allow_research: take a research bundle, too; for judging one on the workstation, never on a box.

        Raises:
            BundleError: anything is unsigned, altered, mixed up, missing or malformed, or it is no release.
        """
        try:
            chain = verify_directory(path, trusted_root, now)
        except ChainError as error:
            raise BundleError(f"bundle {path}: {error}") from None
        missing = [name for name in REQUIRED if name not in chain.targets]
        if PRIVACY in missing:
            raise BundleError(f"bundle {path} holds no privacy statement ({PRIVACY}); it is refused")
        if missing:
            raise BundleError(f"bundle {path} lacks {', '.join(missing)}")
        try:
            spec = Spec.model_validate(_json(chain.targets[SPEC]))
            privacy = Privacy.model_validate(_json(chain.targets[PRIVACY]))
        except (ValidationError, ValueError) as error:
            raise BundleError(f"bundle {path} is malformed: {error}") from None
        if privacy.mode != "release" and not allow_research:
            raise BundleError(f"bundle {path} is of a research run and no release; it is refused")
        try:
            preprocess.parse(spec.preprocess)
        except ValueError as error:
            raise BundleError(f"bundle {path}: {error}") from None
        return cls(
            path=path,
            digest=chain.digest,
            version=chain.version,
            expired=chain.expired,
            spec=spec,
            privacy=privacy,
            golden=_golden(chain.targets[GOLDEN], len(spec.classes)),
            _digests={name: hashlib.sha256(data).digest() for name, data in chain.targets.items()},
        )


def _json(data: bytes) -> Any:
    return json.loads(data.decode("utf-8"))


def _golden(data: bytes, classes: int) -> Golden:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            images, logits = arrays["images"], arrays["logits"]
    except (ValueError, KeyError, OSError) as error:
        raise BundleError(f"{GOLDEN} cannot be read ({type(error).__name__})") from None
    shape = (preprocess.SIDE, preprocess.SIDE)
    if images.ndim != 3 or images.dtype != np.uint8 or images.shape[1:] != shape or len(images) == 0:
        raise BundleError(f"{GOLDEN}: expected uint8 (N, 224, 224), got {images.dtype} {images.shape}")
    if logits.shape != (len(images), classes) or not np.isfinite(logits).all():
        raise BundleError(f"{GOLDEN}: expected finite logits ({len(images)}, {classes}), got {logits.shape}")
    inputs = np.concatenate([preprocess.to_network_input(image) for image in images])
    return Golden(inputs=inputs, logits=logits.astype(np.float32))
