"""The DICOM receiver: Verification and Storage SCP (PS3.4 A, B; PS3.7 9.1.1, 9.1.5; PS3.8).

It keeps data sets as they came, encoded, and does not parse them. Success (0000) is answered only
once the object is in the inbox for good. Answers otherwise (PS3.4 B.2.3): A700, out of resources:
the inbox is full or the disk refuses, try again; C001, cannot understand: the object is larger than
this box accepts, trying again does not help.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from edge.capture.backoff import Backoff
from edge.capture.dicom_budget import Budget, Meter
from edge.capture.sink import Refused, Sink
from edge.capture.sources import Gauge
from edge.imaging.dicom import transfer_syntaxes
from edge.messages import SourceHealth

log = logging.getLogger("edge.capture.dicom")

NAME = "scanner"
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC001
_ASSOCIATE_MAX = 256 << 10  # an A-ASSOCIATE-RQ with 128 contexts is about 40 KiB

# pynetdicom's own log quotes what peers sent.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class ScpSettings:
    """See `edge.settings.Dicom`; sizes in bytes, times in seconds."""

    bind: str = "127.0.0.1"
    port: int = 11112
    ae_title: str = "EDGE"
    allowed_ae: Sequence[str] = ("SCANNER",)
    max_associations: int = 8
    max_pdu: int = 128 << 10
    max_object: int = 512 << 20
    idle: float = 60.0


class DicomScp:
    """Listens on one port. A port that cannot be had is tried again; no caller allowed: no port."""

    def __init__(self, settings: ScpSettings, sink: Sink) -> None:
        self._settings, self._sink = settings, sink
        self._gauge = Gauge(NAME)
        self._budget = Budget(settings.max_object)
        self._stopping = threading.Event()
        self._server: Any = None
        self._thread = threading.Thread(target=self._keep_listening, name="dicom", daemon=True)

    def start(self) -> None:
        """Begin to listen, now or as soon as the port can be had."""
        if not self._settings.allowed_ae:
            self._gauge.say("failed")
            log.error("dicom.allowed_ae is empty: nobody may send, so nothing listens")
            return
        if not self._listen():
            self._thread.start()

    def stop(self) -> None:
        """Abort the associations and close the port: a sender without an answer sends again."""
        self._stopping.set()
        self._budget.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._server is not None:
            self._server.shutdown()

    def health(self) -> SourceHealth:
        """Objects received, refused, and the age of the last."""
        return self._gauge.health()

    def attach(self) -> None:
        """The receiver needs no daemon."""

    def detach(self) -> None:
        """The receiver needs no daemon."""

    def _keep_listening(self) -> None:
        backoff = Backoff(0.5, 15.0)
        while not self._stopping.wait(backoff.next()) and not self._listen():
            continue

    def _listen(self) -> bool:
        settings = self._settings
        try:
            self._server = self._entity().start_server(
                (settings.bind, settings.port),
                block=False,
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, self._on_open),
                    (evt.EVT_CONN_CLOSE, self._on_close),
                    (evt.EVT_REJECTED, self._on_rejected),
                    (evt.EVT_C_STORE, self._on_store),
                ],
            )
        except OSError as error:
            self._gauge.say("failed")
            log.error(
                "DICOM port %s:%d cannot be had (errno %s); free it or change dicom.port; trying again",
                settings.bind, settings.port, error.errno,
            )  # fmt: skip
            return False
        self._gauge.say("running")
        log.info("DICOM receiver %s listens on %s:%d", settings.ae_title, settings.bind, settings.port)
        return True

    def _entity(self) -> Any:
        settings = self._settings
        entity = AE(ae_title=settings.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(settings.allowed_ae)
        entity.maximum_associations = settings.max_associations
        entity.maximum_pdu_size = settings.max_pdu
        entity.network_timeout = settings.idle
        entity.acse_timeout = min(settings.idle, 10.0)
        entity.dimse_timeout = settings.idle
        entity.add_supported_context(Verification)
        syntaxes = transfer_syntaxes()
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), syntaxes)
        return entity

    def _on_open(self, event: Any) -> None:
        """Bound this association's PDUs and data sets before its first byte is read."""
        association = event.assoc
        reader, dimse = association.dul.socket, association.dimse
        receive, take_in = reader.recv, dimse.receive_primitive
        longest = max(self._settings.max_pdu, _ASSOCIATE_MAX)
        meter = Meter(self._settings.max_object)

        def bounded_receive(size: int) -> Any:
            if size > longest:
                raise OSError("a PDU longer than agreed")  # pynetdicom closes the connection
            return receive(size)

        def metered_take_in(primitive: Any) -> None:
            kept = [
                (context, meter.pass_on(bytes(data)))
                for context, data in primitive.presentation_data_value_list
            ]
            self._budget.take(association, sum(len(data) for _, data in kept))
            primitive.presentation_data_value_list = [list(value) for value in kept]
            take_in(primitive)

        reader.recv, dimse.receive_primitive = bounded_receive, metered_take_in

    def _on_close(self, event: Any) -> None:
        self._budget.give_back(event.assoc)
        if event.assoc.requestor.primitive is None:
            # Closed before it asked for an association: pynetdicom would hold its place until the
            # ACSE timeout (pynetdicom#669), so a few probes would shut out every scanner.
            event.assoc.dul.to_user_queue.put(None)

    def _on_rejected(self, event: Any) -> None:
        caller = ascii(event.assoc.requestor.ae_title)
        log.warning(
            "an association with calling AE %s was rejected: wrong AE title, or too many at once", caller
        )

    def _on_store(self, event: Any) -> Dataset:
        try:
            return self._store(event)
        finally:
            self._budget.give_back(event.assoc)

    def _store(self, event: Any) -> Dataset:
        data_set = event.request.DataSet
        if data_set is None or data_set.getbuffer().nbytes > self._settings.max_object:
            self._gauge.drop()
            log.warning("an object larger than dicom.max_object was refused")
            return _status(CANNOT_UNDERSTAND, "object larger than this box accepts")
        try:
            self._sink.put("dicom", NAME, event.encoded_dataset())
        except Refused:
            self._gauge.drop()
            log.warning("an object was refused: the inbox is full")
            return _status(OUT_OF_RESOURCES, "inbox full, send again later")
        except OSError as error:
            self._gauge.drop()
            log.error("an object was refused: the disk refuses (errno %s)", error.errno)
            return _status(OUT_OF_RESOURCES, "cannot store now, send again later")
        self._gauge.count()
        return _status(SUCCESS)


def _status(code: int, comment: str = "") -> Dataset:
    """A C-STORE-RSP's Status (0000,0900) and Error Comment (0000,0902), at most 64 characters."""
    status = Dataset()
    status.Status = code
    if comment:
        status.ErrorComment = comment
    return status
