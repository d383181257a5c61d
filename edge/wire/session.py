"""One MQTT 5 session over TLS 1.3 with a client certificate, and nothing above it.

paho's network thread only puts events into a queue; whoever owns the session reads them in a thread
of its own. What paho leaves open is closed here:

- Clean Start is always 0, or a restarted broker would forget us.
- The CONNACK's Receive Maximum and Maximum Packet Size are kept: `publish` refuses what would break
  them, since one packet too large ends the connection, and again after each reconnect.
- Nothing is queued while there is no connection: what must not be lost waits in the spool.
- Reconnects back off exponentially with jitter, so that a broker that comes back is not stormed.
- Messages are acknowledged to the broker (PUBACK) by `acknowledge`, not by their arrival.
- If paho's thread dies of a malformed packet, `check` starts a new one.
"""

from __future__ import annotations

import queue
import random
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.settings import Broker
from edge.wire.events import Answered, Arrived, Connected, Disconnected, Event, Wake

CONTENT_TYPE = "application/cose"
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_RECEIVE_MAXIMUM = 100
_REFUSED = "the broker refused us"
_NO_LIMIT = 268_435_460
"""Largest packet that MQTT can express (5.0 section 2.1.4), in bytes."""


class SessionError(Exception):
    """The message was not handed over; ``reason`` says why."""

    def __init__(self, reason: Literal["not_connected", "too_large", "busy"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, ``delay_s`` after the connection died without a word."""

    topic: str
    payload: Callable[[], bytes]
    delay_s: int = 10


@dataclass(frozen=True)
class SessionConfig:
    """Where the broker is and who we are. ``client_id`` is the certificate's common name."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    client_id: str
    keepalive_s: int = 20
    session_expiry_s: int = 7 * 86_400
    max_inflight: int = 20

    @staticmethod
    def of(broker: Broker, client_id: str) -> SessionConfig:
        """From the settings."""
        return SessionConfig(
            broker.host,
            broker.port,
            broker.ca,
            broker.certificate,
            broker.key,
            client_id,
            max(1, round(broker.keepalive)),
            round(broker.session_expiry),
            broker.max_inflight,
        )

    def tls(self) -> ssl.SSLContext:
        """TLS 1.3 and nothing older; the broker's name is checked.

        Raises:
            OSError: a file is missing or is not what it should be (ssl.SSLError is one).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.ca)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Session:
    """Use: `start`, read `events` in one thread, `publish` from the same thread, `stop`.

    Args:
        config: the broker and ourselves.
        filters: topics to subscribe to with QoS 1, at every connection.
        will: optional last will, made anew at every connection.

    Raises:
        OSError: keys or certificates cannot be read.
    """

    def __init__(self, config: SessionConfig, filters: Sequence[str] = (), will: Will | None = None) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.connected = threading.Event()
        self.trouble = "not connected yet"
        """Why there is no connection; empty while there is one."""
        self._config, self._filters, self._will = config, list(filters), will
        self._tls = config.tls()
        self._running = False
        self._generation = 0
        self._failures = 0
        self._published = 0  # counted by the owner's thread
        self._answered = 0  # counted by the network thread
        self._inflight_limit, self.maximum_packet = config.max_inflight, _NO_LIMIT
        self._client = self._build()

    def _build(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._config.client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=True,
        )
        client.tls_set_context(self._tls)
        client.connect_timeout = 10.0
        client.max_inflight_messages_set(self._config.max_inflight)
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect  # type: ignore[assignment]  # paho lists three signatures
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    # --- owner's thread ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, and go on until `stop`."""
        self._running = True
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._config.session_expiry_s
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM
        self._back_off()
        self._client.connect_async(
            self._config.host,
            self._config.port,
            keepalive=self._config.keepalive_s,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Send what is written, disconnect; the broker keeps the session. The will is not sent."""
        self._running = False
        self._client.disconnect()
        self._client.drop_out_messages()  # or paho's thread waits for their answers
        self._client.loop_stop()
        self.connected.clear()

    def wake(self) -> None:
        """Put a `Wake` into the queue; from any thread."""
        self.events.put(Wake())

    def check(self) -> None:
        """Start anew if the network thread died; call it every second or so."""
        name = f"paho-mqtt-client-{self._config.client_id}"
        alive = any(thread.name == name for thread in threading.enumerate())
        if alive or not self._running:
            return
        dropped = tuple(message.mid for message in self._client.drop_out_messages())
        self._client = self._build()
        self._published = self._answered = 0
        self.connected.clear()
        self.events.put(Disconnected("the network thread died"))
        self.events.put(Connected(session_present=False, dropped=dropped))
        self.start()

    def under_way(self) -> int:
        """How many QoS 1 messages wait for the broker's answer."""
        return max(0, self._published - self._answered)

    def room(self) -> int:
        """How many QoS 1 messages may be published now."""
        return max(0, self._inflight_limit - self.under_way()) if self.connected.is_set() else 0

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: Literal[0, 1] = 1,
        retain: bool = False,
        expiry_s: int | None = None,
    ) -> int:
        """Hand a message to the network thread; return its mid, which comes back in `Answered`.

        Raises:
            SessionError: ``not_connected``, ``busy`` (no `room`), ``too_large`` for this broker.
        """
        if not self.connected.is_set():
            raise SessionError("not_connected")
        properties = _properties(PacketTypes.PUBLISH)
        properties.ContentType = CONTENT_TYPE
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        if _packet_size(topic, payload, properties) > self.maximum_packet:
            raise SessionError("too_large")
        if qos and self.room() == 0:
            raise SessionError("busy")
        if qos:
            self._published += 1
        info = self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        if qos and info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):
            self._published -= 1  # it was not taken; on NO_CONN paho keeps it for the next connection
            raise SessionError("busy")
        return info.mid

    def acknowledge(self, message: Arrived) -> None:
        """Send the PUBACK of a message that was dealt with.

        A message of an earlier connection is left alone: its packet id may mean another one now, and
        the broker sends it again anyway.
        """
        if message.qos and message.generation == self._generation:
            self._client.ack(message.mid, message.qos)

    # --- network thread: nothing here may raise or take long ---------------------------------------

    def _back_off(self) -> None:
        longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(self._failures, 10))
        delay: Any = random.uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret
        self._client.reconnect_delay_set(min_delay=delay, max_delay=delay)

    def _on_pre_connect(self, client: mqtt.Client, _data: Any) -> None:
        if self._will is None:
            return
        properties = _properties(PacketTypes.WILLMESSAGE)
        properties.WillDelayInterval = self._will.delay_s
        properties.ContentType = CONTENT_TYPE
        client.will_set(self._will.topic, self._will.payload(), qos=1, retain=True, properties=properties)

    def _on_connect(
        self, client: mqtt.Client, _data: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, told: Properties
    ) -> None:
        if reason.is_failure:
            self.trouble = f"{_REFUSED}: {reason}"
            return
        receive = int(getattr(told, "ReceiveMaximum", 65_535))
        packet = int(getattr(told, "MaximumPacketSize", _NO_LIMIT))
        limit = min(self._config.max_inflight, receive)
        dropped: tuple[int, ...] = ()
        if limit < self._inflight_limit or packet < self.maximum_packet:
            # What paho is about to send again may break the new limits.
            dropped = tuple(message.mid for message in client.drop_out_messages())
            self._answered += len(dropped)
        self._inflight_limit, self.maximum_packet = limit, packet
        self._generation += 1
        self._failures = 0
        self.trouble = ""
        if self._filters:
            client.subscribe([(name, SubscribeOptions(qos=1)) for name in self._filters])
        self.connected.set()
        self.events.put(Connected(flags.session_present, dropped))

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        self.trouble = (
            f"cannot reach {self._config.host}:{self._config.port} over TLS 1.3 with our certificate"
        )
        self._failures += 1
        self._back_off()

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if self.connected.is_set():
            self.trouble = f"connection lost: {reason}"
        elif not self.trouble.startswith(_REFUSED):
            self.trouble = (
                "the broker hung up before it answered; is our certificate enrolled and not revoked?"
            )
        self.connected.clear()
        self._failures += 1
        self._back_off()
        self.events.put(Disconnected(self.trouble))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        now = time.time_ns() // 1_000_000
        self.events.put(
            Arrived(message.topic, bytes(message.payload), message.mid, message.qos, self._generation, now)
        )

    def _on_publish(
        self, _client: mqtt.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        self._answered += 1
        self.events.put(Answered(mid, int(reason.value)))


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _packet_size(topic: str, payload: bytes, properties: Properties) -> int:
    """Bytes of a QoS 1 PUBLISH packet (MQTT 5.0 section 3.3)."""
    packed: bytes = properties.pack()  # type: ignore[no-untyped-call]
    remaining = 2 + len(topic.encode()) + 2 + len(packed) + len(payload)
    length_bytes = 1 + (remaining > 127) + (remaining > 16_383) + (remaining > 2_097_151)
    return 1 + length_bytes + remaining
