"""Every setting of the box: typed, with its default, its unit and a sentence.

The file is TOML (/etc/edge/edge.toml). Durations and sizes are written with their unit, as in
``"400 ms"`` or ``"2 GiB"``, so that a bare number can never be read in the wrong one. Whatever is
wrong with the file is reported with file, line and what was expected, and the daemon does not
start.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_PATH = Path("/etc/edge/edge.toml")

_TIME = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _with_unit(units: dict[str, Any], what: str, example: str) -> BeforeValidator:
    def parse(value: object) -> float:
        match = (
            re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", value.strip()) if isinstance(value, str) else None
        )
        if match is None or match[2] not in units:
            raise ValueError(f'expected {what} with its unit ({", ".join(units)}), such as "{example}"')
        return float(match[1]) * float(units[match[2]])

    return BeforeValidator(parse)


Seconds = Annotated[float, _with_unit(_TIME, "a duration", "400 ms")]
Bytes = Annotated[int, _with_unit(_SIZE, "a size", "2 GiB")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Box4 = tuple[float, float, float, float]


class SettingsError(Exception):
    """The settings file is wrong. The message names file, line, and what was expected."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=())


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
    port: int = Field(8883, ge=1, le=65535, description="TCP port of the broker.")
    ca: Path = Field(Path("/etc/edge/broker-ca.pem"), description="Certificate authority of the broker.")
    certificate: Path = Field(Path("/etc/edge/keys/box.pem"), description="The box's client certificate.")
    key: Path = Field(Path("/etc/edge/keys/box.key"), description="The box's client key.")
    keepalive: Seconds = Field("20 s", description="Silence after which the connection is probed.")
    session_expiry: Seconds = Field("7 d", description="How long the broker keeps our session.")
    max_inflight: int = Field(
        20,
        ge=1,
        le=65535,
        description="Messages under way at once; the broker's Receive Maximum bounds it too.",
    )
    resend_after: Seconds = Field(
        "15 s", description="A result without the receiver's word for so long is sent again."
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
    threads: int = Field(1, ge=1, le=64, description="Threads of the CPU classifier.")
    engine_cache: Path = Field(
        Path("/var/lib/edge/engines"), description="Directory of compiled TensorRT engines."
    )


class Dicom(Section):
    """The DICOM receiver (C-ECHO and C-STORE)."""

    enabled: bool = Field(True, description="Whether the box listens for DICOM.")
    bind: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(11112, ge=1, le=65535, description="TCP port to listen on.")
    ae_title: str = Field(
        "EDGE", min_length=1, max_length=16, description="AE title of the box; a caller must ask for it."
    )
    allowed_ae: tuple[str, ...] = Field(
        ("SCANNER",), description="Calling AE titles that may send. An empty list admits nobody."
    )
    max_associations: int = Field(8, ge=1, le=100, description="Associations at once.")
    max_pdu: Bytes = Field("128 KiB", description="Largest PDU accepted.")
    max_object: Bytes = Field("512 MiB", description="Largest object accepted; a larger one is refused.")
    idle: Seconds = Field("60 s", description="An association that is silent for so long is aborted.")


class Inbox(Section):
    """Objects received and not yet answered by a result."""

    max_bytes: Bytes = Field(
        "8 GiB", description="Bound on the inbox; when full the sender gets A700 and keeps the object."
    )
    min_free: Bytes = Field("256 MiB", description="Free disk below which nothing is accepted.")
    quarantine_max_bytes: Bytes = Field("2 GiB", description="Bound on the quarantine.")


class Decode(Section):
    """Limits of the decoders of foreign input, which run apart from the daemon."""

    workers: int = Field(1, ge=1, le=16, description="Decoder processes.")
    max_pixels: int = Field(67_108_864, ge=1, description="Largest image, in pixels a frame.")
    max_frames: int = Field(2000, ge=1, description="Most frames of one object.")
    timeout: Seconds = Field(
        "60 s", description="A decoder that takes longer is killed and the object quarantined."
    )
    memory: Bytes = Field("2 GiB", description="Address space of one decoder process.")


class Spool(Section):
    """Sealed results that the receiver has not acknowledged yet."""

    max_bytes: Bytes = Field("4 GiB", description="Bound by bytes; live results go before scanner results.")
    max_age: Seconds = Field("30 d", description="Bound by age.")


class Series(Section):
    """When a series counts as complete."""

    close_after: Seconds = Field("30 s", description="A series without a new object for so long is closed.")
    close_at: int = Field(
        0, ge=0, description="A series with so many objects is closed at once; 0 means by time alone."
    )


class Quality(Section):
    """The quality gate: limits on 8-bit display values."""

    min_side: int = Field(48, ge=8, description="Shortest side, in pixels.")
    min_mean: float = Field(6.0, ge=0, le=255, description="Mean gray level below which a frame is too dark.")
    max_mean: float = Field(
        249.0, ge=0, le=255, description="Mean gray level above which a frame is too bright."
    )
    min_spread: float = Field(
        6.0, ge=0, description="Standard deviation of gray levels below which there is nothing to see."
    )
    min_sharpness: float = Field(
        0.4, ge=0, description="Spread of the Laplacian below which a camera frame is blurred."
    )
    max_noise: float = Field(
        0.55,
        ge=0,
        le=2,
        description="Share of a frame's variance that is uncorrelated between neighbours, above which it is noise.",
    )


class Anonymize(Section):
    """Detectors and the fail-closed gate."""

    face_model: Path | None = Field(
        None, description="CenterFace ONNX file; unset means the one in the installed wheel."
    )
    text_model: Path | None = Field(
        None, description="PP-OCR detection ONNX file; unset means the one in the installed wheel."
    )
    face_every: int = Field(4, ge=1, le=30, description="Detect faces on every n-th camera frame.")
    face_width: int = Field(
        320, ge=160, le=1920, description="Width in pixels at which faces are looked for."
    )
    face_score: float = Field(0.25, gt=0, lt=1, description="Lowest score that counts as a face.")
    mask_scale: float = Field(
        1.8, ge=1, le=4, description="How much larger than the detected face the mask is."
    )
    max_detection_age: Seconds = Field(
        "500 ms", description="A frame farther than this from a detection on either side is held back."
    )
    delay: Seconds = Field("300 ms", description="Longest that a frame waits for its bracketing detection.")
    self_test_every: Seconds = Field(
        "10 min", description="How often the known face and the known text are looked for again."
    )


class Source(Section):
    """One camera, video file or watched folder. Repeat the table for each."""

    name: Name = Field("camera-1", description="Name of the source; its stream on the wire.")
    kind: Literal["camera", "video", "folder"] = Field("camera", description="What it is.")
    path: Path = Field(Path("/dev/video0"), description="Device, video file or folder.")
    pace: Literal["real", "fast"] = Field(
        "real", description="A video file's own pace, or as fast as the box can."
    )
    loop: bool = Field(False, description="Whether a video file starts again at its end.")
    width: int = Field(1280, ge=64, description="Width asked of a camera, in pixels.")
    height: int = Field(720, ge=64, description="Height asked of a camera, in pixels.")
    rate: float = Field(30.0, gt=0, le=240, description="Frame rate asked of a camera, in frames a second.")
    looks_at: Literal["film", "monitor", "scene", "nothing"] = Field(
        "nothing", description="What a camera looks at. With nothing it stays blind."
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
    whole_scene: bool = Field(
        False, description="Keep the whole scene and mask faces; without it a keep-region is needed."
    )
    delete: bool = Field(True, description="Folder: remove a file once its bytes are safe in the inbox.")

    @model_validator(mode="after")
    def _keep_inside(self) -> Source:
        if self.keep is not None:
            left, top, right, bottom = self.keep
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(
                    "expected keep as [left, top, right, bottom] with 0 <= left < right <= 1 and 0 <= top < bottom <= 1"
                )
        return self


class Watchdog(Section):
    """When the daemon counts as stuck."""

    stall: Seconds = Field(
        "30 s", description="A stage with waiting input and no output for so long starves the watchdog."
    )
    drain: Seconds = Field("10 s", description="Time that SIGTERM leaves for work under way.")


class Log(Section):
    """The journal."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is written."
    )


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
    watchdog: Watchdog = Watchdog()
    log: Log = Log()
    source: tuple[Source, ...] = Field((), description="Cameras, videos and folders.")

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        names = [source.name for source in self.source]
        twice = sorted({name for name in names if names.count(name) > 1} | {"scanner"} & set(names))
        if twice:
            raise ValueError(
                f"expected a name of its own for each source (scanner is taken); given twice: {', '.join(twice)}"
            )
        return self


_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?")


def _line_of(text: str, where: tuple[int | str, ...]) -> int:
    """Line (from 1) of the innermost table or key that ``where`` names; 1 if it is not written."""
    table = str(where[0]) if where else ""
    nth = where[1] if len(where) > 1 and isinstance(where[1], int) else 0
    key = next((str(part) for part in where[1:] if isinstance(part, str)), None)
    current, seen, best = "", -1, 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            current = header[2]
            if current == table:
                seen += 1
                if seen == nth or header[1] == "[":
                    best = number
        elif current == "" and re.match(rf"\s*{re.escape(table)}\s*=", line):
            return number
        elif current == table and (seen == nth) and key and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return best


def _expected(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"] if not isinstance(part, int))
    if error["type"] == "extra_forbidden":
        known = _known_keys(error["loc"])
        return f"{where}: no such key; expected one of: {', '.join(known)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else str(message)


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in loc[:-1]:
        if isinstance(part, int):
            model = Source
            continue
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return sorted(model.model_fields)


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
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise SettingsError(f"{name}:{line[1] if line else 1}: not TOML: {error}") from error
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(f"{name}:{_line_of(text, e['loc'])}: {_expected(e)}" for e in error.errors())
        ) from error


def missing_paths(settings: Settings, text: str, name: str) -> list[str]:
    """Paths that must exist before the daemon starts, each as ``file:line: what was expected``."""
    needed: list[tuple[tuple[int | str, ...], Path, str]] = [
        (("broker", "ca"), settings.broker.ca, "the broker's certificate authority"),
        (("broker", "certificate"), settings.broker.certificate, "the box's client certificate"),
        (("broker", "key"), settings.broker.key, "the box's client key"),
        (("clinic", "manifest"), settings.clinic.manifest, "the clinic's manifest"),
        (("clinic", "root_key"), settings.clinic.root_key, "the clinic root's public key"),
        (("model", "bundle"), settings.model.bundle, "a model bundle"),
        (("model", "trusted_root"), settings.model.trusted_root, "the TUF root of the model bundle"),
        (("box", "keys"), settings.box.keys, "the box's keys"),
    ]
    return [
        f"{name}:{_line_of(text, where)}: {'.'.join(map(str, where))}: {path} does not exist; expected {what}"
        for where, path, what in needed
        if not path.exists()
    ]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def annotated_default() -> str:
    """The default settings as TOML, each key with its sentence."""
    lines = ["# Settings of the box. Durations and sizes carry their unit.", ""]
    for section, field in Settings.model_fields.items():
        model = Source if section == "source" else field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        lines.append(f"# {(model.__doc__ or '').strip()}")
        off = "# " if section == "source" else ""
        lines.append(f"{off}[[source]]" if off else f"[{section}]")
        for key, item in model.model_fields.items():
            lines.append(f"# {item.description}")
            if item.default is None:
                lines.append(f"# {key} = (unset)")
            else:
                lines.append(f"{off}{key} = {_toml(item.default)}")
        lines.append("")
    return "\n".join(lines)
