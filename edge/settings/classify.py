"""The model, and which frames it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from edge.settings.section import Section, Whole


class Model(Section):
    """The model bundle and what runs it."""

    bundle: Path = Field(Path("/usr/share/edge/model"), description="Directory of the signed bundle.")
    trusted_root: Path = Field(
        Path("/usr/share/edge/model-root.json"), description="TUF root that the bundle must be signed under."
    )
    classifier: Literal["onnxruntime-cpu", "tensorrt"] = Field(
        "onnxruntime-cpu", description="What runs the network. There is no silent fallback."
    )
    threads: Whole = Field(1, ge=1, le=64, description="Threads of the CPU classifier.")
    engine_cache: Path = Field(
        Path("/var/lib/edge/engines"), description="Directory of compiled TensorRT engines."
    )


class Quality(Section):
    """The quality gate: limits on 8-bit display values."""

    min_side: Whole = Field(48, ge=8, description="Shortest side, in pixels.")
    min_mean: float = Field(6.0, ge=0, le=255, description="Mean gray level below which a frame is too dark.")
    max_mean: float = Field(
        249.0, ge=0, le=255, description="Mean gray level above which a frame is too bright."
    )
    min_spread: float = Field(
        6.0, ge=0, description="Standard deviation of gray levels below which there is nothing to see."
    )
    min_sharpness: float = Field(
        1.5, ge=0, description="Spread of the Laplacian below which a camera frame is blurred."
    )
    max_noise: float = Field(
        0.55,
        ge=0,
        le=2,
        description="Share of variance uncorrelated between neighbours above which a frame is noise.",
    )
