"""A role's session with the clinic's broker: `edge.wire.session` with the files of a role's folder."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.clinic.keyring import TLS_CERTIFICATE, TLS_KEY
from edge.clinic.places import BROKER_CA, ClinicConfig, ClinicError
from edge.wire.session import Session, SessionConfig

SESSION_EXPIRY_S = 7 * 86_400
_MAX_INFLIGHT = 100


@dataclass(frozen=True)
class _RoleSession(SessionConfig):
    """As a box's, but the key may be under a person's passphrase."""

    passphrase: bytes | None = field(default=None, repr=False)

    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.ca)
        # An empty passphrase fails on an encrypted key, where none at all would ask on the terminal.
        context.load_cert_chain(self.certificate, self.key, self.passphrase or b"")
        return context


def open_session(
    folder: Path,
    config: ClinicConfig,
    client_id: str,
    filters: Sequence[str],
    *,
    passphrase: bytes | None = None,
    session_expiry_s: int = SESSION_EXPIRY_S,
) -> Session:
    """Return a session, not yet started.

    Args:
        folder: the role's folder.
        config: where the broker is.
        client_id: the common name of the role's certificate; the broker insists on it.
        filters: topics to subscribe to.
        passphrase: of the TLS key.
        session_expiry_s: how long the broker keeps what arrives while we are away.

    Raises:
        ClinicError: key or certificates cannot be read.
    """
    try:
        return Session(
            _RoleSession(
                host=config.hosts[0],
                port=config.port,
                ca=folder / BROKER_CA,
                certificate=folder / TLS_CERTIFICATE,
                key=folder / TLS_KEY,
                client_id=client_id,
                max_inflight=_MAX_INFLIGHT,
                passphrase=passphrase,
                session_expiry_s=session_expiry_s,
            ),
            filters,
        )
    except OSError as error:
        raise ClinicError(
            f"{folder}: cannot read {TLS_KEY}, {TLS_CERTIFICATE} or {BROKER_CA}; is the passphrase right?"
        ) from error
