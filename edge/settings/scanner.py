"""How scanner objects come in, and what of them is kept."""

from __future__ import annotations

from pydantic import Field, model_validator

from edge.settings.section import Box4, Flag, Section, Whole, check_keep
from edge.units import Bytes, Seconds, written


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


class Series(Section):
    """When a series counts as complete."""

    close_after: Seconds = Field(
        written("30 s"), description="A series without a new object for so long is closed."
    )
    close_at: Whole = Field(
        0, ge=0, description="A series with so many objects is closed at once; 0 means by time alone."
    )


class Scanner(Section):
    """A scanner of whose images this part is kept, and no other. Repeat the table for each."""

    manufacturer: str = Field(
        "", description="Manufacturer (0008,0070), as its headers name it, in any case."
    )
    model: str = Field("", description="Manufacturer's Model Name (0008,1090), likewise; both must fit.")
    keep: Box4 = Field(
        (0.0, 0.0, 0.0, 0.0),
        description="Keep-region as left, top, right, bottom in shares of the image; the rest is filled.",
    )

    @model_validator(mode="after")
    def _is_meant(self) -> Scanner:
        if not (self.manufacturer.strip() and self.model.strip()):
            raise ValueError('expected manufacturer = "..." and model = "...", as its headers name it')
        check_keep(self.keep)
        return self
