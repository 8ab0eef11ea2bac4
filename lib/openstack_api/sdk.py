"""openstacksdk on the cloud's own session, imported when the first change is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accounts.catalogue import as_override
from accounts.cloud import Cloud
from common import tracing
from common.errors import CloudError, RunbookError, UnknownOutcome
from common.text import clean

_OPEN = "It had been sent, so whether it was done is not known."


def connection(cloud: Cloud) -> Any:
    """Return the SDK's connection over the cloud's one session; it logs in no second time."""
    return cloud.shared(_connected)


def _connected(cloud: Cloud) -> Any:
    from openstack.config import cloud_region
    from openstack.connection import Connection

    # The SDK takes what discovery found, as reads do; it would find its own otherwise.
    chosen = {"compute_endpoint_override": as_override(cloud.address("compute"))}
    others = cloud.reach.overrides.keys() - {"compute"}
    chosen |= {
        f"{kind.replace('-', '_')}_endpoint_override": cloud.reach.overrides[kind]
        for kind in others
    }
    region = cloud_region.from_session(
        session=cloud.session,
        name=cloud.name,
        region_name=cloud.region,
        load_envvars=False,
        load_yaml_config=False,
        interface=cloud.reach.interface,
        **chosen,
    )
    return Connection(config=region)


@contextmanager
def changing(cloud: Cloud, doing: str) -> Iterator[Any]:
    """Give the SDK's connection for one change, and sort out how it can fail.

    Raises CloudError if the cloud refused it (nothing was done) and UnknownOutcome if no answer,
    or a failing service's answer, leaves open whether it was done.
    """
    from keystoneauth1 import exceptions as lost
    from openstack import exceptions

    from accounts.cloud_errors import stumbled, translated

    before = _sent()
    try:
        yield connection(cloud)
    except RunbookError:
        raise
    except (lost.ConnectFailure, lost.ConnectTimeout, lost.UnknownConnectionError) as error:
        told = translated(error, cloud, doing)
        if told is None or _sent() > before:
            why = told.message if told else f"Cloud {cloud.name}: {doing}: {clean(error)}."
            raise UnknownOutcome(f"{why} {_OPEN}") from None
        raise told from None
    except exceptions.HttpException as error:
        raise _refused(cloud, doing, error) from None
    except exceptions.SDKException as error:
        raise CloudError(f"Cloud {cloud.name}: {doing}: {clean(error)}.") from None
    except lost.ClientException as error:
        told = translated(error, cloud, doing)
        if isinstance(told, CloudError) and (told.status or 0) >= 500:
            raise UnknownOutcome(str(told)) from None
        raise (told or error) from None
    except Exception as error:
        told = translated(error, cloud, doing) if stumbled(error) else None
        if told is None:
            raise
        if _sent() > before:
            raise UnknownOutcome(f"{told.message} {_OPEN}") from None
        raise told from None


def answered(answer: Any) -> None:
    """Raise what :func:`changing` sorts out if an answer of the SDK's own session is a refusal."""
    from openstack import exceptions

    exceptions.raise_from_response(answer)


def _sent() -> int:
    """Return how many changes this attempt has sent: without one sent, none can have happened."""
    trace = tracing.current()
    return trace.sent if trace else 0


def _refused(cloud: Cloud, doing: str, error: Any) -> RunbookError:
    from accounts.cloud_errors import advice_on, spoken

    status = error.status_code or 0
    said = spoken(error.response) or clean(error)
    message = f"Cloud {cloud.name}: {doing}: {status}: {said}"
    if status >= 500:
        return UnknownOutcome(f"{message} [{error.request_id or ''}]")
    request_id, advice = error.request_id or "", advice_on(status)
    return CloudError(message, status=status, request_id=request_id, advice=advice)
