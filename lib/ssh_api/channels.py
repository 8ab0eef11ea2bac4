"""What paramiko's channels lack: how a command was ended by a signal, sending one, and a timeout.

RFC 4254, 6.9 and 6.10. paramiko drops the message that tells the signal, has no call that sends
one, and waits for ever for a server that does not answer a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST, cMSG_CHANNEL_REQUEST
from paramiko.message import Message

_PAUSE = 0.02
_LONGEST_TEXT = 200


class NotStarted(Exception):
    """The server has refused to run the command: nothing was run."""


class NoAnswer(Exception):
    """The server did not say whether it runs the command, or the session ended before it did."""


def _on_request(channel: Any, message: Message) -> None:
    """Note a signal that a command ended by; all else is paramiko's."""
    kind = message.get_text()
    if kind == "exit-signal":
        message.get_boolean()
        channel.exit_signal = message.get_text()[:_LONGEST_TEXT]
        channel.status_event.set()
        return
    message.rewind()
    message.get_int()  # which channel it is for
    paramiko.Channel._handle_request(channel, message)


class Transport(paramiko.Transport):  # type: ignore[misc]
    """A transport that also hears by which signal a command ended."""

    _channel_handler_table: ClassVar[dict[int, Callable[..., Any]]] = {
        **paramiko.Transport._channel_handler_table,
        MSG_CHANNEL_REQUEST: _on_request,
    }


def start(transport: paramiko.Transport, command: str, seconds: float) -> paramiko.Channel:
    """Have a command run, and return its channel once the server says that it runs.

    Raises NotStarted if it surely does not run, NoAnswer if nobody knows.
    """
    try:
        channel = transport.open_session(timeout=seconds)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise NotStarted(str(error) or "the session has ended") from None
    request = _request(channel, "exec", reply=True)
    request.add_string(command)
    channel._event_pending()
    try:
        transport._send_user_message(request)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise NoAnswer(str(error)) from None
    until = time.monotonic() + seconds
    while not channel.event.is_set():
        if not transport.is_active():
            raise NoAnswer("the session ended before")
        if time.monotonic() > until:
            channel.close()
            raise NoAnswer(f"it did not say within {seconds:.0f} s whether it runs")
        channel.event.wait(_PAUSE)
    if channel.event_ready or channel.exit_status >= 0:
        return channel
    if transport.is_active():
        raise NotStarted("the server refuses to run commands")
    raise NoAnswer("the session ended before")


def signal(channel: paramiko.Channel, name: str) -> None:
    """Ask the server to send the command a signal, as TERM; not every server does."""
    request = _request(channel, "signal", reply=False)
    request.add_string(name)
    channel.transport._send_user_message(request)


def ended_by(channel: paramiko.Channel) -> str | None:
    """Return the signal that a command ended by, if the server has told of one."""
    found: str | None = getattr(channel, "exit_signal", None)
    return found


def _request(channel: paramiko.Channel, kind: str, *, reply: bool) -> Message:
    request = Message()
    request.add_byte(cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string(kind)
    request.add_boolean(reply)
    return request
