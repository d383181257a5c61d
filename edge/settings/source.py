"""Cameras, video files and watched folders."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edge.settings.section import Box4, Flag, Name, Section, Whole, check_keep


class Source(Section):
    """One camera, video file or watched folder. Repeat the table for each."""

    name: Name = Field("camera-1", description="Name of the source; its stream on the wire.")
    kind: Literal["camera", "video", "folder"] = Field("camera", description="What it is.")
    path: Path = Field(Path("/dev/video0"), description="Device, video file or folder.")
    pace: Literal["real", "fast"] = Field(
        "real", description="A video file's own pace, or as fast as the box can."
    )
    loop: Flag = Field(False, description="Whether a video file starts again at its end.")
    width: Whole = Field(1280, ge=64, description="Width asked of a camera, in pixels.")
    height: Whole = Field(720, ge=64, description="Height asked of a camera, in pixels.")
    rate: float = Field(30.0, gt=0, le=240, description="Frame rate asked of a camera, in frames a second.")
    looks_at: Literal["film", "monitor", "scene", "screen", "nothing"] = Field(
        "nothing",
        description="What a camera looks at; screen: a grabber of a scanner's. With nothing it stays blind.",
    )
    layouts: tuple[Path, ...] = Field(
        (),
        description="Signed layout templates of the screen (camera, video) or of the pictures (folder);"
        " what has the layout of none is held back.",
    )
    consent: Literal["none", "no_patient", "signage", "written", "switch"] = Field(
        "none",
        description="What lets a camera see: none (it stays blind), no_patient (a film or a monitor alone is "
        "in view), signage (a sign tells people before they come into view), written (the consent of each "
        "patient is on file), switch (given on each occasion by opening the privacy switch).",
    )
    consent_by: str = Field(
        "",
        max_length=200,
        description="Who settled that, when, and where it is written: an office, never a patient's name.",
    )
    modality: str = Field(
        "", description="DICOM modality of the film or monitor, such as CR; empty means unknown."
    )
    body_part: str = Field(
        "", description="Body part on the film or monitor, such as CHEST; empty means unknown."
    )
    keep: Box4 | None = Field(
        None,
        description="Keep-region as left, top, right, bottom in shares of the frame; the rest is filled.",
    )
    whole_scene: Flag = Field(
        False, description="Keep the whole scene and mask faces; without it a keep-region is needed."
    )
    delete: Flag = Field(True, description="Folder: remove a file once its bytes are safe in the inbox.")

    @model_validator(mode="after")
    def _keep_inside(self) -> Source:
        if self.keep is not None:
            check_keep(self.keep)
        return self

    @model_validator(mode="after")
    def _consent_is_settled(self) -> Source:
        if self.sees_people() and self.consent != "none" and not self.consent_by.strip():
            raise ValueError(
                f'expected consent_by = "who settled it, when, where it is written" beside '
                f'consent = "{self.consent}"'
            )
        if self.consent == "no_patient" and self.looks_at not in {"film", "monitor"}:
            raise ValueError('expected looks_at = "film" or "monitor" beside consent = "no_patient"')
        return self

    def sees_people(self) -> bool:
        """Whether this is a camera that looks into a room; a grabber of a screen or a file is none."""
        return self.kind == "camera" and self.looks_at != "screen"

    def lacks_consent(self) -> bool:
        """Whether this is a camera without a consent mode."""
        return self.sees_people() and self.consent == "none"

    def blind_because(self) -> str | None:
        """What to write so that this camera or video sees, in words; None if nothing is missing."""
        if self.kind == "folder":
            return None
        if self.lacks_consent():
            return (
                'no consent mode is configured; write consent = "signage" (or "no_patient", "written", '
                '"switch") and consent_by = "who settled it, when, where it is written"'
            )
        if self.looks_at == "nothing":
            return 'it is not told what it looks at; write looks_at = "film", "monitor" or "scene"'
        if self.looks_at == "scene" and self.keep is None and not self.whole_scene:
            return "a scene needs keep = [left, top, right, bottom], or whole_scene = true"
        return None
