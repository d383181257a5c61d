"""The clinic's connection to its broker: MQTT 5 over TLS 1.3 with a client certificate.

The network thread only puts messages into a queue. Nothing is acknowledged to the broker (PUBACK)
before `Link.acknowledge`, so what was not committed comes again; the Receive Maximum bounds what can
wait in the queue. The session outlives the process: what arrives meanwhile is kept by the broker.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.clinic.broker import MAX_PACKET
from edge.clinic.places import BROKER_CA, ClinicConfig, ClinicError

_KEEPALIVE_S = 20
_SESSION_EXPIRY_S = 7 * 86_400


@dataclass(frozen=True)
class Incoming:
    """One message as it came. ``generation`` counts connections: packet ids belong to one of them."""

    topic: str
    payload: bytes
    arrived_ms: int
    mid: int
    qos: int
    generation: int


class Link:
    """One client of the broker. `start` and `stop` it; read `inbox` from one thread.

    Args:
        folder: the role's folder, with ``tls.key``, ``tls.pem`` and ``broker-ca.pem``.
        config: where the broker is.
        client_id: the common name of the certificate; the broker insists on it.
        filters: topics to subscribe to, QoS 1.
        passphrase: of the TLS key.
        receive_maximum: how many messages the broker may have under way to us.
    """

    def __init__(
        self,
        folder: Path,
        config: ClinicConfig,
        client_id: str,
        filters: Sequence[str],
        *,
        passphrase: bytes | None = None,
        receive_maximum: int = 100,
    ) -> None:
        self.inbox: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        self.connected = threading.Event()
        self.generation = 0
        self.trouble = ""
        """Why there is no connection, in the broker's or TLS's words; empty while there is one."""
        self._config = config
        self._filters = [(name, SubscribeOptions(qos=1)) for name in filters]
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=True,
        )
        self._client.tls_set_context(_tls(folder, passphrase))
        self._client.reconnect_delay_set(min_delay=1, max_delay=15)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._properties: Any = _properties(PacketTypes.CONNECT)
        self._properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        self._properties.ReceiveMaximum = receive_maximum
        self._properties.MaximumPacketSize = MAX_PACKET
        self._published: dict[int, threading.Event] = {}
        self._refused: set[int] = set()

    def start(self) -> None:
        """Begin to connect, and go on for ever."""
        self._client.connect_async(
            self._config.hosts[0],
            self._config.port,
            keepalive=_KEEPALIVE_S,
            # A restarted broker restores a session only if the last CONNECT had this.
            clean_start=False,
            properties=self._properties,
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; the broker keeps the session."""
        self._client.disconnect()
        self._client.loop_stop()

    def acknowledge(self, message: Incoming) -> None:
        """Send the PUBACK of a committed message.

        A message of an earlier connection is left alone: its packet id may mean another message
        now, and the broker sends it again anyway.
        """
        if message.qos and message.generation == self.generation:
            self._client.ack(message.mid, message.qos)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> bool:
        """Publish with QoS 1 if there is a connection; False if there is none (nothing is queued)."""
        if not self.connected.is_set():
            return False
        self._client.publish(topic, payload, qos=1, retain=retain, properties=_publish_properties(expiry_s))
        return True

    def publish_and_wait(
        self, topic: str, payload: bytes, *, retain: bool, expiry_s: int | None, timeout: float
    ) -> None:
        """Publish with QoS 1 and wait for the broker's word.

        Raises:
            ClinicError: no connection or no answer in time, or the broker refuses the topic.
        """
        if not self.connected.wait(timeout):
            raise ClinicError(f"no connection to the broker: {self.trouble or 'no answer'}")
        done = threading.Event()
        info = self._client.publish(
            topic, payload, qos=1, retain=retain, properties=_publish_properties(expiry_s)
        )
        self._published[info.mid] = done
        if not info.is_published() and not done.wait(timeout):
            raise ClinicError("the broker did not take the message in time")
        if info.mid in self._refused:
            raise ClinicError(
                "the broker refuses this topic to this role; is the box enrolled, the ACL current?"
            )

    # --- network thread: nothing here may raise or take long ---------------------------------------

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        if reason.is_failure:
            self.trouble = str(reason)
            return
        self.generation += 1
        self.trouble = ""
        if self._filters:
            client.subscribe(self._filters)
        self.connected.set()

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        # paho keeps the exception to itself; what was tried is what can be said.
        self.trouble = f"cannot reach {self._config.hosts[0]}:{self._config.port} with our certificate"

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        self.connected.clear()
        self.trouble = str(reason)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.inbox.put(
            Incoming(
                message.topic,
                bytes(message.payload),
                time.time_ns() // 1_000_000,
                message.mid,
                message.qos,
                self.generation,
            )
        )

    def _on_publish(
        self, _client: mqtt.Client, _data: Any, mid: int, reason: ReasonCode, _props: Any
    ) -> None:
        if reason.is_failure:
            self._refused.add(mid)
        done = self._published.pop(mid, None)
        if done:
            done.set()


def _properties(packet: int) -> Any:
    return Properties(packet)  # type: ignore[no-untyped-call]  # its attributes are made at run time


def _publish_properties(expiry_s: int | None) -> Any:
    properties = _properties(PacketTypes.PUBLISH)
    properties.ContentType = "application/cose"
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    return properties


def _tls(folder: Path, passphrase: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(folder / BROKER_CA)
        context.load_cert_chain(folder / "tls.pem", folder / "tls.key", passphrase or b"")
    except (OSError, ssl.SSLError) as error:
        raise ClinicError(
            f"{folder}: cannot read tls.key, tls.pem or {BROKER_CA}, or wrong passphrase"
        ) from error
    return context
