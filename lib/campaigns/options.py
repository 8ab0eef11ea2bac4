"""What says how a mail is sent, and by what its campaign is known if it was given no key.

The same request is the same campaign however it is written: it goes by what it is about and to
whom, in the form in which the runbook has understood it, and by nothing of how it is sent.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from accounts.smtp import SmtpAccount
from owners.resolvers import Ownership
from workflow_api import ParameterGroup
from workflow_api.parameters import AtLeastOne, Name, PreviewDir

if TYPE_CHECKING:
    from accounts.cloud import Cloud
    from campaigns.recipients import Delivery
    from query_api.execution.query import Query
    from workflow_api import Context

_Options = TypeVar("_Options", bound="Options")
# Parameters that say how something is sent, and not what or to whom.
_HOW = frozenset({"unsubscribe"})
_ALLOWED = "allow_"


class Asked(msgspec.Struct, frozen=True):
    """What a mail runbook was asked on a day (UTC)."""

    runbook: str
    day: datetime.date
    about: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The key of its campaign."""
        from campaigns.planning import campaign_key

        told = {name: _plain(value) for name, value in self.about.items()}
        return campaign_key(
            self.runbook, self.day, {name: value for name, value in told.items() if value}
        )


class Options(ParameterGroup, frozen=True, kw_only=True):
    """How a campaign is sent.

    note: Text to add at the end of each mail; each line is a paragraph.
    campaign: The key of the campaign; by default the same for equal parameters within a day.
    cc: Addresses that get a copy of every mail, visible to all.
    bcc: Addresses that get a blind copy of every mail.
    limit: Send at most this many mails now; the same campaign can continue later.
    override_recipient: Send all mails only to this address (or several); each names its real
        recipient.
    max_recipients: Refuse a campaign with more recipients than this; email.max_recipients if empty.
    """

    no_parameters: ClassVar[frozenset[str]] = frozenset({"asked"})

    note: str | None = None
    campaign: Name | None = None
    cc: list[str] = msgspec.field(default_factory=list)
    bcc: list[str] = msgspec.field(default_factory=list)
    limit: AtLeastOne | None = None
    override_recipient: str | None = None
    max_recipients: AtLeastOne | None = None
    preview_dir: PreviewDir | None = None
    # What the campaign is called by if it is given no key.
    asked: Asked | None = None

    def asking(self: _Options, ctx: Context, runbook: str, given: Mapping[str, Any]) -> _Options:
        """Return the options of a runbook with what it was asked in its parameters."""
        about = {
            name: value
            for name, value in given.items()
            if name not in _HOW
            and not name.startswith(_ALLOWED)
            and not isinstance(value, SmtpAccount)
        }
        asked = Asked(runbook, ctx.asked_at.date(), {**about, **self.whose(ctx)})
        return msgspec.structs.replace(self, asked=asked)

    def about(self: _Options, **known: Any) -> _Options:
        """Return the options with these objects in place of the parameters' names.

        None values are ignored.
        """
        assert self.asked is not None
        asked = msgspec.structs.replace(self.asked, about={**self.asked.about, **known})
        return msgspec.structs.replace(self, asked=asked)

    def about_query(self: _Options, asked: Query) -> _Options:
        """Return the options of a campaign about what a query finds, however it was written."""
        from query_api.language.where import unparse

        return self.about(resource=asked.resource.name, where=unparse(asked.stages[0].condition))

    def whose(self, ctx: Context) -> Mapping[str, Any]:
        """Return what of the options says to whom it goes."""
        return {}

    @property
    def key(self) -> str:
        """The campaign's key, as given or else by what is asked."""
        assert self.asked is not None
        return self.campaign or self.asked.key

    def common(self, cloud: Cloud | None) -> dict[str, Any]:
        """Return the variables that every notice can be given, those that are known."""
        # Readers of a site's only cloud know which it is.
        several = cloud is not None and len(cloud.config.clouds) > 1
        known = {"note": self.note, "cloud": cloud.name if cloud and several else None}
        return {name: value for name, value in known.items() if value}

    def delivery(self, **more: Any) -> Delivery:
        """Return how a campaign goes out; ``more`` is what it says besides."""
        from campaigns.recipients import Delivery

        names = ("cc", "bcc", "limit", "override_recipient", "max_recipients", "preview_dir")
        return Delivery(**{name: getattr(self, name) for name in names}, **more)


class OwnerOptions(Options, frozen=True, kw_only=True):
    """How a campaign to owners is sent, and who they are.

    owner: The recipients of a mail; as configured if empty.
    tell_operators: Also report to the operators, in one mail, who could not be notified.
    allow_partial: Send to the recipients that were found, even if not everything could be read.
    """

    owner: Ownership | None = None
    tell_operators: bool = False
    allow_partial: bool = False

    def whose(self, ctx: Context) -> Mapping[str, Any]:
        """Return whose they are: the same rows are told to others as another campaign."""
        return {"owner": self.owner or ctx.config.email.owner}


def _plain(value: Any) -> Any:
    """Return a parameter as it counts: of a list only what is in it, of an account its name."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (list, tuple)):
        return sorted({str(getattr(one, "name", one)).strip() for one in value})
    return getattr(value, "name", value)
