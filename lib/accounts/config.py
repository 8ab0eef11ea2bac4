"""The pack's configuration as typed objects; ``config.schema.yaml`` says the same in YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from accounts.broker_config import BrokerEntry, Notifications
from accounts.host_config import Brakes, DisruptionBudgets, Evacuation, HypervisorTest, Maintenance
from accounts.http_config import AlertmanagerEntry, HttpEntry, IcingaEntry, WebhookEntry
from accounts.mail_config import EmailSettings, Organisation, SmtpEntry
from accounts.sensor_config import Sensors
from accounts.ssh_config import SshCommand, SshEntry
from accounts.texts import Name, OfHost
from common.duration import Duration, decoded
from common.errors import NotFound, UserError
from common.text import listed, near

if TYPE_CHECKING:
    from common.files import Places

Entry = TypeVar("Entry", bound="CloudEntry | SmtpEntry | HttpEntry | SshEntry")


_STATE = "/var/lib/openstack_ops/state.db"


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

    name: Name
    auth_type: str | None = None
    auth: dict[str, Any] = {}
    region_name: str | None = None
    interface: Literal["public", "internal", "admin"] | None = None
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
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
    answer_mib: Annotated[int, msgspec.Meta(ge=1, le=2048)] = 128
    plan_valid: Duration = _duration("1h")
    resume_within: Duration = _duration("1h")
    keep_runs: Duration = _duration("90d")
    keep_campaigns: Duration = _duration("365d")
    lease: Duration = _duration("30s")
    grace: Duration = _duration("60s")
    timeouts: Timeouts = msgspec.field(default_factory=Timeouts)


class Protected(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What no bulk runbook touches: things with this tag, or with this metadata key unless off."""

    tag: str = "openstack-ops-protected"
    metadata_key: str = "openstack_ops:protected"


class LiveMigrationForbidden(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Servers that are never live-migrated: flavor names and extra specs, as shell patterns."""

    flavors: list[str] = []
    extra_specs: list[str] = msgspec.field(default_factory=lambda: list(_PINNED))


class Files(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where files are written to that a parameter names."""

    allowed: list[str] = []


class Monitoring(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What hypervisors are called in monitoring, and where they are silenced.

    ``{host}`` is the name that OpenStack has for one, ``{short}`` that name without its domain.
    """

    icinga_host: OfHost = "{host}"
    alertmanager_matchers: OfHost = 'instance=~"{host}(:[0-9]+)?"'
    icingas: list[Name] | None = None
    alertmanagers: list[Name] | None = None


class PackConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration of the pack."""

    clouds: list[CloudEntry] = []
    default_cloud: str | None = None
    state_url: str = f"sqlite:///{_STATE}"
    limits: Limits = msgspec.field(default_factory=Limits)
    protected: Protected = msgspec.field(default_factory=Protected)
    # What installers call the project of the cloud's own services.
    service_projects: list[str] = msgspec.field(default_factory=lambda: ["service", "services"])
    live_migration_forbidden: LiveMigrationForbidden = msgspec.field(
        default_factory=LiveMigrationForbidden
    )
    hypervisor_test: HypervisorTest = msgspec.field(default_factory=HypervisorTest)
    evacuation: Evacuation = msgspec.field(default_factory=Evacuation)
    brakes: Brakes = msgspec.field(default_factory=Brakes)
    disruption_budgets: DisruptionBudgets = msgspec.field(default_factory=DisruptionBudgets)
    maintenance: Maintenance = msgspec.field(default_factory=Maintenance)
    smtp_accounts: list[SmtpEntry] = []
    default_smtp_account: str | None = None
    alertmanagers: list[AlertmanagerEntry] = []
    default_alertmanager: str | None = None
    icingas: list[IcingaEntry] = []
    default_icinga: str | None = None
    webhooks: list[WebhookEntry] = []
    ssh_accounts: list[SshEntry] = []
    default_ssh_account: str | None = None
    ssh_commands: dict[Name, SshCommand] = {}
    brokers: list[BrokerEntry] = []
    notifications: Notifications = msgspec.field(default_factory=Notifications)
    monitoring: Monitoring = msgspec.field(default_factory=Monitoring)
    sensors: Sensors = msgspec.field(default_factory=Sensors)
    files: Files = msgspec.field(default_factory=Files)
    organisation: Organisation = msgspec.field(default_factory=Organisation)
    email: EmailSettings = msgspec.field(default_factory=EmailSettings)

    def __repr__(self) -> str:
        return f"<PackConfig of {len(self.clouds)} clouds>"  # state_url can hold a password

    @property
    def places(self) -> Places:
        """Where answers and previews may be written: ``out/`` beside the state store by default."""
        from common.files import Places

        if self.files.allowed:
            if wrong := [one for one in self.files.allowed if not os.path.isabs(one)]:
                raise UserError(f"files.allowed has what is no absolute path: {listed(wrong)}.")
            return Places(tuple(self.files.allowed))
        scheme, _, path = self.state_url.partition(":///")
        path = path.partition("?")[0] if scheme.startswith("sqlite") else _STATE
        own = os.path.join(os.path.dirname(path), "out")
        return Places((own,), own)

    def cloud(self, name: str | None) -> CloudEntry:
        """Return the entry called ``name``, or the default one.

        Raises NotFound with near names, or UserError if nothing says which cloud is meant.
        """
        return _chosen(self.clouds, name or self.default_cloud, _CLOUDS)

    def smtp(self, name: str | None) -> SmtpEntry:
        """Return the SMTP account called ``name``, or the default one; raises as :meth:`cloud`."""
        return _chosen(self.smtp_accounts, name or self.default_smtp_account, _SMTP)

    def alertmanager(self, name: str | None) -> AlertmanagerEntry:
        """Return the Alertmanager called ``name``, or the default one; raises as :meth:`cloud`."""
        return _chosen(self.alertmanagers, name or self.default_alertmanager, _ALERTMANAGERS)

    def icinga(self, name: str | None) -> IcingaEntry:
        """Return the Icinga called ``name``, or the default one; raises as :meth:`cloud`."""
        return _chosen(self.icingas, name or self.default_icinga, _ICINGAS)

    def webhook(self, name: str | None) -> WebhookEntry:
        """Return the webhook called ``name``; raises as :meth:`cloud`. None is the usual one."""
        return _chosen(self.webhooks, name, _WEBHOOKS)

    def ssh(self, name: str | None) -> SshEntry:
        """Return the SSH account called ``name``, or the default one; raises as :meth:`cloud`."""
        return _chosen(self.ssh_accounts, name or self.default_ssh_account, _SSH)


class _Kind(NamedTuple):
    """A kind of account: what one is called, the parameter that names one, its keys here."""

    shown: str
    parameter: str
    key: str
    default: str | None


_CLOUDS = _Kind("cloud", "cloud", "clouds", "default_cloud")
_SMTP = _Kind("SMTP account", "smtp", "smtp_accounts", "default_smtp_account")
_ALERTMANAGERS = _Kind("Alertmanager", "alertmanager", "alertmanagers", "default_alertmanager")
_ICINGAS = _Kind("Icinga", "icinga", "icingas", "default_icinga")
_WEBHOOKS = _Kind("webhook", "webhook", "webhooks", None)
_SSH = _Kind("SSH account", "ssh", "ssh_accounts", "default_ssh_account")
_BROKERS = _Kind("broker", "broker", "brokers", None)
_KINDS = (_CLOUDS, _SMTP, _ALERTMANAGERS, _ICINGAS, _WEBHOOKS, _SSH, _BROKERS)


def _chosen(entries: list[Entry], wanted: str | None, kind: _Kind) -> Entry:
    """Return the entry that is called ``wanted``, or the only one if nothing is wanted."""
    named = {entry.name: entry for entry in entries}
    if not named:
        raise UserError(
            f"No {kind.shown} is configured.",
            advice=f"Add one to {kind.key} in the pack's configuration.",
        )
    if not wanted and len(named) > 1:
        raise UserError(
            f"Several {kind.shown}s are configured ({', '.join(named)}) and none is the default.",
            advice=f"Give {kind.parameter}=<name>"
            + (f", or set {kind.default}." if kind.default else "."),
        )
    if not wanted:
        return entries[0]
    if wanted not in named:
        found = near(wanted, named) or sorted(named)
        raise NotFound(kind.shown, wanted, where="the configuration", near=found)
    return named[wanted]


def load(config: Mapping[str, Any] | None) -> PackConfig:
    """Check a configuration and return it typed.

    Raises UserError that names the key that is wrong; the value is never shown.
    """
    raw = dict(config or {})
    _refuse_unverified(raw)
    try:
        loaded = msgspec.convert(raw, PackConfig, dec_hook=_decode)
    except msgspec.ValidationError as error:
        from accounts.config_errors import told

        raise told(error, raw, PackConfig) from None
    for kind in _KINDS:
        names = [entry.name for entry in getattr(loaded, kind.key)]
        if len(set(names)) < len(names):
            raise UserError(f"Two {kind.shown}s in the pack's configuration have the same name.")
    return loaded


def _decode(kind: type, value: Any) -> Any:
    found = decoded(kind, value)
    if isinstance(found, Duration) and found <= 0:
        raise ValueError("it must be longer than nothing")
    return found


def _refuse_unverified(raw: Mapping[str, Any]) -> None:
    for kind in _KINDS:
        entries = raw.get(kind.key)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping) and ("verify" in entry or "insecure" in entry):
                shown = f"{kind.shown[:1].upper()}{kind.shown[1:]}"
                raise UserError(
                    f"{shown} {entry.get('name')!r}: verify cannot be turned off, because then "
                    "anyone on the way can take the credentials.",
                    advice="Name the certificate authority's file in cacert instead.",
                )
