"""What is masked, what blinds the cameras, and how both are proved in service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edge.settings.section import Flag, Section, Whole
from edge.units import Seconds, written

Script = Literal["latin", "cyrillic", "greek", "arabic", "devanagari", "cjk", "hebrew", "thai", "other"]


class Anonymize(Section):
    """Detectors and the fail-closed gate."""

    face_model: Path | None = Field(
        None,
        description="CenterFace ONNX file, for the second look; unset means the one in the installed wheel.",
    )
    second_detector: Literal["centerface", "yunet"] = Field(
        "centerface",
        description="What looks for faces a second time: CenterFace, or YuNet from a file of yours.",
    )
    yunet_model: Path | None = Field(
        None, description="YuNet ONNX file (face_detection_yunet_2023mar.onnx of the OpenCV Zoo)."
    )
    yunet_sha256: str = Field(
        "", pattern="^([0-9a-f]{64})?$", description="SHA-256 of that file, as sha256sum prints it."
    )
    text_model: Path | None = Field(
        None, description="PP-OCR detection ONNX file; unset means the one in the installed wheel."
    )
    scripts: tuple[Script, ...] = Field(
        ("latin",),
        min_length=1,
        description="Every script in which a device of this clinic may write a name into an image, beside "
        "Latin. With one that our text detectors are not proved to find, only declared regions, layouts and "
        "what [[scanner]] says is kept of scanner objects.",
    )
    face_interval: Seconds = Field(
        written("100 ms"),
        gt=0,
        le=0.5,
        description="Time between two looks for faces, by the source's rate in whole frames.",
    )
    face_width: Whole = Field(
        1280,
        ge=160,
        le=1920,
        description="Width in pixels at which a whole camera frame is looked at for faces.",
    )
    face_score: float = Field(
        0.12, gt=0, lt=1, description="Lowest score that counts as a small face; a larger one needs more."
    )
    mask_scale: float = Field(
        1.5, ge=1, le=4, description="How much larger than the detected face the mask is."
    )
    max_detection_age: Seconds = Field(
        written("500 ms"),
        description="A frame farther than this from a detection on either side is held back.",
    )
    delay: Seconds = Field(
        written("400 ms"), description="Longest that a frame waits for its bracketing detection."
    )
    self_test_every: Seconds = Field(
        written("10 min"), description="How often the known face and the known text are looked for again."
    )

    @model_validator(mode="after")
    def _yunet_is_named(self) -> Anonymize:
        if self.second_detector == "yunet" and not (self.yunet_model and self.yunet_sha256):
            raise ValueError(
                'expected yunet_model = "FILE" and yunet_sha256 = "..." (as sha256sum FILE prints it) beside '
                'second_detector = "yunet"; the product ships no weights of it'
            )
        return self


class PrivacySwitch(Section):
    """The local switch that blinds every camera at once. What cannot be read is closed."""

    kind: Literal["none", "file", "gpio", "key"] = Field(
        "none", description="What it is: a file, a GPIO line, or a key of an input device."
    )
    path: Path = Field(
        Path("/run/edge-switch/camera"),
        description="The file, the GPIO chip (/dev/gpiochip0) or the input device (/dev/input/by-id/...).",
    )
    file_opens: Literal["content", "absence"] = Field(
        "content",
        description="A file opens by its content, the word open (absent or unreadable: closed), or by its "
        "absence from a folder of its own (losing the file opens, losing the folder closes).",
    )
    gpio_line: Whole = Field(0, ge=0, description="The n-th line of the GPIO chip, from 0.")
    gpio_active_low: Flag = Field(
        True, description="Whether the open switch pulls its line to ground; a cut wire then reads as closed."
    )
    key_code: Whole = Field(
        589,
        ge=1,
        le=767,
        description="The n-th key of linux/input-event-codes.h; 589 is KEY_CAMERA_ACCESS_TOGGLE. A press "
        "closes, a press held for open_after opens.",
    )
    open_after: Seconds = Field(
        written("1 s"),
        ge=0.2,
        le=60,
        description="How long it has to stand open before a camera sees; it closes at once.",
    )
    lamp: Path | None = Field(
        None,
        description="GPIO chip of a lamp that is lit while the switch is open; one that fails closes it.",
    )
    lamp_line: Whole = Field(0, ge=0, description="The n-th line of that chip, from 0.")


class Proof(Section):
    """Standing proof: canaries and second looks in service, and what they lead to."""

    # A second look costs about 100 ms of a core: 5 % of one are a look in two seconds, 1,800 an hour. Three
    # objections in an hour are one look in 600: who is missed for good is known within half a minute, a
    # detector that leaks now and then within the hour; a lone mistake of the second detector stops nothing.

    canary_every: Seconds = Field(
        written("30 s"),
        ge=1,
        description="How often a known face or a known text, by turns, is cleaned in a copy of a live frame.",
    )
    canary_recall: float = Field(
        0.9,
        gt=0,
        lt=1,
        description="Share of canaries that must be covered; a source for which less is proven is latched.",
    )
    second_share: float = Field(
        0.05,
        gt=0,
        le=1,
        description="Share of one core that may go into second looks at frames that have left.",
    )
    second_score: float = Field(
        0.5, gt=0, lt=1, description="Score of the second detector from which it objects to a frame."
    )
    leak_budget: Whole = Field(
        3, ge=1, description="Number of frames objected to within leak_window that latches a source."
    )
    leak_window: Seconds = Field(
        written("1 h"), ge=60, description="Running time of the box after which an objection counts no more."
    )
