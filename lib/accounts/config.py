"""The pack's configuration as typed objects; ``config.schema.yaml`` says the same in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from workflow_api.duration import Duration, decoded
from workflow_api.errors import NotFound, UserError
from workflow_api.text import near


def _duration(text: str) -> Duration:
    return Duration.parse(text)


# Servers with these cannot be live-migrated by most drivers, or only with their device lost.
_PINNED = (
    "hw:cpu_policy=dedicated",
    "pci_passthrough:alias",
    "resources:VGPU",
    "openstack_ops:live_migration=forbidden",
)


class CloudEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One cloud in one region: clouds.yaml's own keys plus ``name``, or ``clouds_yaml``."""

    name: str
    auth_type: str = "password"
    auth: dict[str, Any] = {}
    region_name: str | None = None
    interface: Literal["public", "internal", "admin"] = "public"
    cacert: str | None = None
    clouds_yaml: str | None = None
    endpoint_override: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<CloudEntry {self.name}>"  # auth holds secrets


class Timeouts(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How long things may take."""

    request: Duration = _duration("60s")
    live_migration: Duration = _duration("1h")
    cold_migration: Duration = _duration("6h")
    snapshot: Duration = _duration("6h")


class Limits(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Bounds on every run."""

    max_parallel: Annotated[int, msgspec.Meta(ge=1)] = 4
    max_changes: Annotated[int, msgspec.Meta(ge=0)] = 200
    parallel_requests: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    plan_valid: Duration = _duration("1h")
    resume_within: Duration = _duration("1h")
    keep_runs: Duration = _duration("90d")
    lease: Duration = _duration("30s")
    grace: Duration = _duration("60s")
    timeouts: Timeouts = msgspec.field(default_factory=Timeouts)


class Protected(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What no bulk runbook touches: things with this tag, or this metadata key set to true."""

    tag: str = "openstack-ops-protected"
    metadata_key: str = "openstack_ops:protected"


class LiveMigrationForbidden(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Servers that are never live-migrated: flavor names and extra specs, as shell patterns."""

    flavors: list[str] = []
    extra_specs: list[str] = msgspec.field(default_factory=lambda: list(_PINNED))


class PackConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration of the pack."""

    clouds: list[CloudEntry] = []
    default_cloud: str | None = None
    state_url: str = "sqlite:////var/lib/openstack_ops/state.db"
    limits: Limits = msgspec.field(default_factory=Limits)
    protected: Protected = msgspec.field(default_factory=Protected)
    live_migration_forbidden: LiveMigrationForbidden = msgspec.field(
        default_factory=LiveMigrationForbidden
    )

    def __repr__(self) -> str:
        return f"<PackConfig of {len(self.clouds)} clouds>"  # state_url can hold a password

    def cloud(self, name: str | None) -> CloudEntry:
        """Return the entry called ``name``, or the default one.

        Raises NotFound with near names, or UserError if nothing says which cloud is meant.
        """
        entries = {entry.name: entry for entry in self.clouds}
        if not entries:
            raise UserError(
                "No cloud is configured.", advice="Add one to clouds in the pack's configuration."
            )
        wanted = name or self.default_cloud or (next(iter(entries)) if len(entries) == 1 else None)
        if wanted is None:
            raise UserError(
                f"Several clouds are configured ({', '.join(entries)}) and none is the default.",
                advice="Give cloud=<name>, or set default_cloud.",
            )
        if wanted not in entries:
            found = near(wanted, entries) or sorted(entries)
            raise NotFound("cloud", wanted, where="the configuration", near=found)
        return entries[wanted]


def load(config: Mapping[str, Any] | None) -> PackConfig:
    """Check a configuration and return it typed.

    Raises UserError that names the key that is wrong; the value is never shown.
    """
    raw = dict(config or {})
    _refuse_unverified(raw)
    try:
        loaded = msgspec.convert(raw, PackConfig, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise UserError(
            f"The pack's configuration is not valid: {error}.",
            advice="Compare it with openstack_ops.yaml.example.",
        ) from None
    names = [entry.name for entry in loaded.clouds]
    if len(set(names)) < len(names):
        raise UserError("Two clouds in the pack's configuration have the same name.")
    return loaded


def _decode(kind: type, value: Any) -> Any:
    duration = decoded(kind, value)
    if duration <= 0:
        raise ValueError("it must be longer than nothing")
    return duration


def _refuse_unverified(raw: Mapping[str, Any]) -> None:
    for entry in raw.get("clouds") or []:
        if isinstance(entry, Mapping) and ("verify" in entry or "insecure" in entry):
            raise UserError(
                f"Cloud {entry.get('name')!r}: verify cannot be turned off, because then anyone "
                "on the way can take the credentials.",
                advice="Name the certificate authority's file in cacert instead.",
            )
