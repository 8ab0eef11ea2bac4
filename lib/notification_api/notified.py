"""What becomes of a notification: the payload of its trigger, by what it is about."""

from __future__ import annotations

from typing import Annotated

import msgspec

Text = str | None


def _says(words: str) -> msgspec.Meta:
    return msgspec.Meta(description=words)


class Notified(msgspec.Struct, frozen=True, kw_only=True):
    """What the trigger of every notification has."""

    id: Annotated[
        str,
        _says(
            "The event. It is the same however often the notification arrives, 32 characters: with "
            "a word behind it, it is a trigger_id."
        ),
    ]
    cloud: Annotated[str, _says("The cloud, as the configuration calls it.")]
    broker: Annotated[str, _says("The broker it came from, as the configuration calls it.")]
    event_type: Annotated[str, _says("What has happened, as instance.create.end.")]
    kind: Annotated[str, _says("What kind of thing it has happened to, as instance or snapshot.")]
    service: Annotated[str, _says("The type of the service that says so, as compute.")]
    publisher: Annotated[str, _says("The part of the service, and its host.")]
    priority: Annotated[str, _says("info, warn, error or critical, as the service has it.")]
    at: Annotated[str, _says("When the service sent it, in UTC.")]
    request_id: Annotated[Text, _says("The request that it belongs to.")] = None
    project: Annotated[Text, _says("Id of the project that it is about, or that asked.")] = None
    user: Annotated[Text, _says("Id of the user that asked, or whose thing it is.")] = None
    subject_id: Annotated[
        Text, _says("Id of the thing. Actions are given this, never the name.")
    ] = None
    name: Annotated[Text, _says("What people call it, as the cloud says it.")] = None
    state: Annotated[Text, _says("Its state by then, as the service has it.")] = None


class Server(Notified, frozen=True, kw_only=True):
    """A server was made, changed, moved or deleted, or failed to be."""

    state_before: Annotated[Text, _says("Its state before, of instance.update.")] = None
    task: Annotated[Text, _says("What Nova is doing to it.")] = None
    host: Annotated[Text, _says("The host of its compute service.")] = None
    hypervisor: Annotated[Text, _says("Its hypervisor.")] = None
    flavor: Annotated[Text, _says("Name of its flavor.")] = None
    image: Annotated[Text, _says("Id of its image.")] = None
    fault: Annotated[Text, _says("What went wrong, in Nova's words.")] = None


class Compute(Notified, frozen=True, kw_only=True):
    """Something of Nova beside servers: a compute service, an aggregate, a flavor, a keypair."""

    host: Annotated[Text, _says("The host of the compute service.")] = None
    binary: Annotated[Text, _says("The program of the service, as nova-compute.")] = None
    disabled: Annotated[bool | None, _says("Whether the service is disabled.")] = None
    forced_down: Annotated[bool | None, _says("Whether the service was forced down.")] = None
    reason: Annotated[Text, _says("Why it is disabled.")] = None


class Volume(Notified, frozen=True, kw_only=True):
    """A volume, volume snapshot or backup was made, changed or deleted, or failed to be."""

    size_gib: Annotated[int | None, _says("Its size, in GiB.")] = None
    volume_type: Annotated[Text, _says("Id of the type of the volume.")] = None
    volume: Annotated[Text, _says("Id of the volume that a snapshot or backup is of.")] = None
    host: Annotated[Text, _says("The back end that it is on.")] = None


class Image(Notified, frozen=True, kw_only=True):
    """An image was made, uploaded, changed, shared or deleted, or failed to be."""

    visibility: Annotated[Text, _says("Who may see it.")] = None
    size_bytes: Annotated[int | None, _says("Its size, in bytes.")] = None
    member: Annotated[Text, _says("Id of the project that it is shared with.")] = None
    fault: Annotated[Text, _says("What went wrong, in Glance's words.")] = None


class Port(Notified, frozen=True, kw_only=True):
    """A port was made, changed or deleted."""

    network: Annotated[Text, _says("Id of its network.")] = None
    device: Annotated[Text, _says("Id of what it is plugged into, as a server.")] = None
    device_owner: Annotated[Text, _says("What that is, as compute:nova.")] = None
    host: Annotated[Text, _says("The host that it is bound to.")] = None


class Network(Notified, frozen=True, kw_only=True):
    """A network, subnet, router, floating IP or security group was made, changed or deleted."""

    network: Annotated[Text, _says("Id of the network that it belongs to.")] = None
    router: Annotated[Text, _says("Id of the router that it belongs to.")] = None
    port: Annotated[Text, _says("Id of the port that it belongs to.")] = None
    address: Annotated[Text, _says("The floating IP address.")] = None
    cidr: Annotated[Text, _says("The address range of the subnet.")] = None


class Identity(Notified, frozen=True, kw_only=True):
    """A project, user, group, role or domain was made, changed or deleted, or a role granted."""

    role: Annotated[Text, _says("Id of the role that was granted or taken.")] = None
    of_user: Annotated[Text, _says("Id of the user whose role it is.")] = None
    of_group: Annotated[Text, _says("Id of the group whose role it is.")] = None
    on_project: Annotated[Text, _says("Id of the project that the role is in.")] = None
    on_domain: Annotated[Text, _says("Id of the domain that the role is in.")] = None


class ReadingState(msgspec.Struct, frozen=True, kw_only=True):
    """The notifications of a broker could not be read, can be again, or some of them were lost.

    After a gap what has changed meanwhile is known to nobody: whoever keeps track has to look anew.
    """

    id: Annotated[str, _says("The event, the same however often it is dispatched.")]
    cloud: Annotated[str, _says("The cloud, as the configuration calls it.")]
    broker: Annotated[str, _says("The broker, as the configuration calls it.")]
    state: Annotated[str, _says("gap, down or back.")]
    reason: Annotated[str, _says("Why, in a sentence.")]
    at: Annotated[str, _says("When it was found, in UTC.")]
    since: Annotated[Text, _says("Since when nothing was read, in UTC, if that is known.")] = None


#: The name of the trigger of each, without the pack's.
TRIGGERS: dict[str, type[msgspec.Struct]] = {
    "server_notification": Server,
    "compute_notification": Compute,
    "volume_notification": Volume,
    "image_notification": Image,
    "port_notification": Port,
    "network_notification": Network,
    "identity_notification": Identity,
    "notifications_state": ReadingState,
}
