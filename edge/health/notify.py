"""Notifications to systemd, by the protocol of sd_notify(3): datagrams to $NOTIFY_SOCKET."""

from __future__ import annotations

import logging
import os
import socket
import time

log = logging.getLogger(__name__)


def notify(message: str) -> bool:
    """Send one notification, such as ``READY=1``; return whether a service manager was there.

    Raises nothing: a box under test has no service manager.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(message.encode(), address)
    except OSError as error:
        log.warning("systemd did not take a notification: %s", error.strerror)
        return False
    return True


def ready(status: str) -> None:
    """The service is up."""
    notify(f"READY=1\nSTATUS={status}")


def reloading() -> None:
    """The settings are being read again; READY follows (Type=notify-reload asks for the time)."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping(status: str) -> None:
    """The service is going down."""
    notify(f"STOPPING=1\nSTATUS={status}")


def watchdog_interval() -> float | None:
    """Seconds between two signs of life (half of WatchdogSec), or None without a watchdog."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1e6 / 2
