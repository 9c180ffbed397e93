"""Keeps the tests off the network: connections leave this machine nowhere, and fail with a sentence."""

import ipaddress
import socket
from typing import Any

LOCAL_NAMES = {"localhost", "localhost.localdomain", "", "0.0.0.0", "::"}


class OutsideConnection(RuntimeError):
    """A test asked for the network."""


def forbid_network() -> None:
    """Replace the ways out of a process by ones that refuse every address but this machine's."""
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    looked_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_outside(host.decode() if isinstance(host, bytes) else host)
        return looked_up(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def _guarded(method: Any) -> Any:
    """The same method of a socket, for addresses on this machine only."""

    def checked(self: socket.socket, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(args[-1], tuple):
            _refuse_outside(args[-1][0])
        return method(self, *args)

    return checked


def _refuse_outside(host: str | None) -> None:
    """Raise where the host is not this machine."""
    if host is None or host in LOCAL_NAMES or host == socket.gethostname():
        return
    try:
        local = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        local = False
    if not local:
        raise OutsideConnection(f"tests must stay on this machine, got a connection to {host}: use a file")
