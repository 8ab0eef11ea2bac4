"""One answer of a service, decoded as a type: just the wanted fields."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from common.text import clean

Answer = TypeVar("Answer")
# What msgspec has to know of a type it finds out when the type is first used. If another thread
# uses it before that is done, the process crashes.
_finding_out = threading.Lock()


@cache
def _made(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=False)


def decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type, made once. For any number of threads."""
    with _finding_out:
        return _made(shape)


def converted(plain: Any, shape: Any) -> Any:
    """Return decoded JSON as a type. For any number of threads. Raises msgspec.ValidationError."""
    decoder(shape)
    return msgspec.convert(plain, shape, strict=False)


def one(
    cloud: Cloud,
    service: str,
    path: str,
    shape: type[Answer],
    *,
    params: Mapping[str, Any] | None = None,
    microversion: str | None = None,
) -> Answer:
    """Return the answer to one GET, decoded as ``shape``. Raises CloudError."""
    body = cloud.get(service, path, params=params, microversion=microversion)
    try:
        decoded: Answer = decoder(shape).decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise not_understood(cloud, service, path, error) from None
    return decoded


def not_understood(cloud: Cloud, service: str, path: str, why: object) -> CloudError:
    """Return the error for an answer that is not what the service answers."""
    return CloudError(
        f"Cloud {cloud.name}: asking {service} for {path}: the answer was not understood: "
        f"{clean(why).rstrip('.')}.",
        advice="See whether something on the way (a proxy, a login page) answers in its place; "
        "else the service's log may say what it sent.",
    )
