"""Every setting of the box: typed, with its default, its unit and a sentence.

The file is TOML (/etc/edge/edge.toml). Durations and sizes are written with their unit, as in
``"400 ms"`` or ``"2 GiB"``, so that a bare number can never be read in the wrong one. Whatever is
wrong with the file is reported with file, line and what was expected, and the daemon does not
start.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

from edge import toml_file
from edge.units import Bytes, Seconds, written

DEFAULT_PATH = Path("/etc/edge/edge.toml")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Box4 = tuple[float, float, float, float]
# TOML has types of its own: true is no number and "8883" is no port.
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]


class SettingsError(Exception):
    """The settings file is wrong. The message names file, line, and what was expected."""


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=(), allow_inf_nan=False
    )


class Box(Section):
    """Who this box is and where it keeps its state."""

    site: Name = Field("demo-clinic", description="Name of the clinic's site; part of every topic.")
    device: Name = Field("box-1", description="Name of this box; equals its certificate's common name.")
    root: Name = Field("edge", description="First level of every topic.")
    state: Path = Field(
        Path("/var/lib/edge"), description="Directory of inbox, spool and ledger; owner-only."
    )
    runtime: Path = Field(Path("/run/edge"), description="Directory of the capture process's socket.")
    keys: Path = Field(Path("/etc/edge/keys"), description="Directory of the box's own keys; owner-only.")


class Broker(Section):
    """The clinic's MQTT broker. TLS 1.3 and client certificates, always."""

    host: str = Field("localhost", description="Name of the broker, as its certificate has it.")
    port: Whole = Field(8883, ge=1, le=65535, description="TCP port of the broker.")
    ca: Path = Field(Path("/etc/edge/broker-ca.pem"), description="Certificate authority of the broker.")
    certificate: Path = Field(Path("/etc/edge/keys/box.pem"), description="The box's client certificate.")
    key: Path = Field(Path("/etc/edge/keys/box.key"), description="The box's client key.")
    keepalive: Seconds = Field(
        written("20 s"), ge=1, le=65535, description="Silence after which the connection is probed."
    )
    session_expiry: Seconds = Field(
        written("7 d"), ge=1, lt=2**32, description="How long the broker keeps our session."
    )
    max_inflight: Whole = Field(
        20,
        ge=1,
        le=65535,
        description="Messages under way at once; the broker's Receive Maximum bounds it too.",
    )
    resend_after: Seconds = Field(
        written("15 s"),
        ge=1.0,
        description="A result without the receiver's word for so long is sent again.",
    )


class Clinic(Section):
    """Whom the box answers to."""

    manifest: Path = Field(
        Path("/etc/edge/manifest.cose"), description="Signed manifest of roles, recipients and boxes."
    )
    root_key: Path = Field(
        Path("/etc/edge/clinic-root.pub"), description="Public key of the clinic's root; pins the manifest."
    )


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


class Dicom(Section):
    """The DICOM receiver (C-ECHO and C-STORE)."""

    enabled: Flag = Field(True, description="Whether the box listens for DICOM.")
    bind: str = Field("127.0.0.1", description="Address to listen on.")
    port: Whole = Field(11112, ge=1, le=65535, description="TCP port to listen on.")
    ae_title: str = Field(
        "EDGE", min_length=1, max_length=16, description="AE title of the box; a caller must ask for it."
    )
    allowed_ae: tuple[str, ...] = Field(
        ("SCANNER",), description="Calling AE titles that may send. An empty list admits nobody."
    )
    max_associations: Whole = Field(8, ge=1, le=100, description="Associations at once.")
    max_pdu: Bytes = Field(written("128 KiB"), description="Largest PDU accepted.")
    max_object: Bytes = Field(
        written("512 MiB"), description="Largest object accepted; a larger one is refused."
    )
    idle: Seconds = Field(
        written("60 s"), description="An association that is silent for so long is aborted."
    )


class Inbox(Section):
    """Objects received and not yet answered by a result."""

    max_bytes: Bytes = Field(
        written("8 GiB"),
        description="Bound on the inbox; when full the sender gets A700 and keeps the object.",
    )
    min_free: Bytes = Field(written("256 MiB"), description="Free disk below which nothing is accepted.")
    quarantine_max_bytes: Bytes = Field(
        written("2 GiB"), description="Bound on the quarantine; what is oldest in it is erased."
    )
    quarantine_max_objects: Whole = Field(1000, ge=1, description="Most objects in quarantine, likewise.")
    quarantine_max_age: Seconds = Field(
        written("30 d"), ge=3600.0, description="Age from which what is in quarantine is erased."
    )


class Decode(Section):
    """Limits of the decoders of foreign input, which run apart from the daemon."""

    workers: Whole = Field(1, ge=1, le=16, description="Decoder processes.")
    max_pixels: Whole = Field(67_108_864, ge=1, description="Largest image, in pixels a frame.")
    max_frames: Whole = Field(2000, ge=1, description="Most frames of one object.")
    max_bytes: Bytes = Field(
        written("1 GiB"), description="Most display bytes of one object, all its frames together."
    )
    timeout: Seconds = Field(
        written("60 s"), description="A decoder that takes longer is killed and the object quarantined."
    )
    memory: Bytes = Field(written("2 GiB"), description="Address space of one decoder process.")


class Spool(Section):
    """Sealed results that the receiver has not acknowledged yet."""

    max_bytes: Bytes = Field(
        written("4 GiB"), ge=16 << 20, description="Bound by bytes; live results go before scanner results."
    )
    max_age: Seconds = Field(written("30 d"), ge=3600.0, description="Bound by age.")


class Series(Section):
    """When a series counts as complete."""

    close_after: Seconds = Field(
        written("30 s"), description="A series without a new object for so long is closed."
    )
    close_at: Whole = Field(
        0, ge=0, description="A series with so many objects is closed at once; 0 means by time alone."
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
            left, top, right, bottom = self.keep
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(
                    "expected keep as [left, top, right, bottom], each 0 to 1, left < right, top < bottom"
                )
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


class Watchdog(Section):
    """When the daemon counts as stuck."""

    stall: Seconds = Field(
        written("30 s"),
        description="A stage with waiting input and no output for so long starves the watchdog.",
    )
    drain: Seconds = Field(
        written("10 s"),
        le=20.0,
        description="Time that SIGTERM leaves for work under way; the unit gives 30 s.",
    )


class Log(Section):
    """The journal."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is written."
    )


_RESERVED = {"scanner", "series", "events"}
"""Streams of the box's own."""


class Settings(Section):
    """The whole file."""

    box: Box = Box()
    broker: Broker = Broker()
    clinic: Clinic = Clinic()
    model: Model = Model()
    dicom: Dicom = Dicom()
    inbox: Inbox = Inbox()
    decode: Decode = Decode()
    spool: Spool = Spool()
    series: Series = Series()
    quality: Quality = Quality()
    anonymize: Anonymize = Anonymize()
    privacy_switch: PrivacySwitch = PrivacySwitch()
    proof: Proof = Proof()
    watchdog: Watchdog = Watchdog()
    log: Log = Log()
    source: tuple[Source, ...] = Field((), description="Cameras, videos and folders.")

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        names = [source.name for source in self.source]
        twice = sorted({name for name in names if names.count(name) > 1} | _RESERVED & set(names))
        if twice:
            raise ValueError(
                "expected a name of its own for each source (scanner, series and events are taken); "
                f"given twice: {', '.join(twice)}"
            )
        return self

    @model_validator(mode="after")
    def _switch_is_there(self) -> Settings:
        without = [
            source.name for source in self.source if source.kind == "camera" and source.consent == "switch"
        ]
        if without and self.privacy_switch.kind == "none":
            raise ValueError(
                f'expected [privacy_switch] with kind = "file", "gpio" or "key": it is the consent of '
                f"{', '.join(without)}"
            )
        return self

    def blind_sources(self) -> list[str]:
        """Sources that stay blind, each with what to write into the settings."""
        return [
            f"source {source.name} stays blind: {why}"
            for source in self.source
            if (why := source.blind_because()) is not None
        ]

    def anonymization_digest(self) -> bytes:
        """SHA-256 over the sections that decide what is masked and seen, as JSON.

        They are [anonymize], [privacy_switch] and [[source]].
        """
        sections = self.model_dump(mode="json", include={"anonymize", "privacy_switch", "source"})
        return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).digest()


def load(path: Path) -> Settings:
    """Read and check the settings file.

    Raises:
        SettingsError: one line an error, each with file, line and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingsError(
            f"{path}: {reason}; expected a settings file (write one with: edge settings > {path})"
        ) from error
    return parse(text, str(path))


def parse(text: str, name: str = "edge.toml") -> Settings:
    """Check settings given as text; see `load`."""
    settings, errors = toml_file.parse(text, name, Settings)
    if settings is None:
        raise SettingsError("\n".join(errors))
    return settings


def missing_paths(settings: Settings, text: str, name: str) -> list[str]:
    """Paths that must exist before the daemon starts, each as ``file:line: what was expected``."""
    needed: list[tuple[toml_file.Where, Path, str]] = [
        (("broker", "ca"), settings.broker.ca, "the broker's certificate authority"),
        (("broker", "certificate"), settings.broker.certificate, "the box's client certificate"),
        (("broker", "key"), settings.broker.key, "the box's client key"),
        (("clinic", "manifest"), settings.clinic.manifest, "the clinic's manifest"),
        (("clinic", "root_key"), settings.clinic.root_key, "the clinic root's public key"),
        (("model", "bundle"), settings.model.bundle, "a model bundle"),
        (("model", "trusted_root"), settings.model.trusted_root, "the TUF root of the model bundle"),
        (
            ("box", "keys"),
            settings.box.keys / "signing.key",
            "the box's signing key (edge init-box makes it)",
        ),
        (("box", "state"), settings.box.state / "disk.pub", "the box's disk key (edge init-box makes it)"),
        (
            ("box", "state"),
            settings.box.state / "keys" / "disk.key",
            "the box's disk key (edge init-box makes it)",
        ),
    ]
    for place, model in (
        ("face_model", settings.anonymize.face_model),
        ("yunet_model", settings.anonymize.yunet_model),
        ("text_model", settings.anonymize.text_model),
    ):
        if model is not None:
            needed.append((("anonymize", place), model, "the weights of the detector"))
    for number, source in enumerate(settings.source):
        if source.kind == "folder":
            needed.append((("source", number, "path"), source.path, "a folder to watch"))
        needed += [
            (("source", number, "layouts"), path, "a layout that edge clinic sign-layout wrote")
            for path in source.layouts
        ]
    return [
        f"{name}:{toml_file.line_of(text, where)}: {'.'.join(map(str, where))}: "
        f"{path} does not exist; expected {what}"
        for where, path, what in needed
        if not path.exists()
    ]


def annotated_default() -> str:
    """The default settings as TOML, each key with its sentence."""
    heading = "# Settings of the box. Durations and sizes carry their unit.\n\n"
    return heading + toml_file.annotated_default(Settings)
