"""Whether the alerts that a site names have been silent for long enough since the last host."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from accounts.alertmanager import Alertmanager
from accounts.config import PackConfig
from alertmanager_api.alerts import Alert, firing
from alertmanager_api.matchers import match, parse
from state.earlier import Earlier
from state.host_works import HeldHostWorks
from workflow_api import Attempt, CloudError, Duration, Paused, UserError, clean, count, utc

# Alerts that came and went are not told of by Alertmanager: it is asked this often, as far as
# somebody goes on with the run.
_AGAIN = 60.0
# So much is waited for within the step, with looks in between.
_SHORT, _LOOK = 30.0, 5.0
_SINCE = "silent_since"
_PAST = (
    "If that may be ignored, silence it (silence.create), or leave it out with skip=alerts in a "
    "new run"
)


def settle(attempt: Attempt, config: PackConfig, subjects: Collection[str], *, first: bool) -> None:
    """Return once the alerts of ``maintenance.alerts`` are silent for ``maintenance.settle``.

    That counts from when the last host was done, of those with these ``subjects`` before the
    ``first`` host of a run. Raises Paused while an alert fires, where an Alertmanager does not
    answer, and for all but a short wait.
    """
    settings = config.maintenance
    while settings.alerts:
        now = time.time()
        if why := _loud(attempt, config):
            attempt.note(**{_SINCE: None})
            raise Paused(f"{why}. {_PAST}.", now + _AGAIN)
        since = min(_silent_since(attempt, subjects, settings.settle, now, first=first), now)
        attempt.note(**{_SINCE: since})
        left = since + float(settings.settle) - now
        if left <= 0:
            return
        if left > _SHORT:
            shown = Duration(settings.settle)
            why = f"Alerts are silent since {utc(since)}, and have to be for {shown}"
            raise Paused(f"{why}; they are looked at until then.", now + min(left, _AGAIN))
        attempt.wait(min(left, _LOOK), between=True)


def unknown(config: PackConfig) -> list[str]:
    """Return what of ``maintenance.alerts`` cannot be asked, as the configuration is."""
    found = []
    for name, texts in config.maintenance.alerts.items():
        try:
            Alertmanager.from_config(config, name)
            for text in texts:
                parse(text)
        except UserError as error:
            found.append(f"maintenance.alerts: {error}")
    return found


def _silent_since(
    attempt: Attempt, subjects: Collection[str], settle: Duration, now: float, *, first: bool
) -> float:
    """Return since when it counts that no alert fires, which is so now."""
    noted = {**attempt.records(Earlier).notes(attempt.key), **attempt.notes}
    if _SINCE in noted:
        return now if noted[_SINCE] is None else float(noted[_SINCE])
    if not first:
        return now
    works = attempt.records(HeldHostWorks).of(subjects, float(settle))
    ago = [work.now - work.ended_at for work in works if work.ended_at is not None]
    return now - min(ago, default=float(settle))


def _loud(attempt: Attempt, config: PackConfig) -> str:
    """Return which of the alerts fires, and since when; or which Alertmanager does not answer."""
    try:
        loud = [alert for name in config.maintenance.alerts for alert in _of(attempt, config, name)]
    except CloudError as error:
        return f"It is not known which alerts fire: {str(error).rstrip('.')}"
    if not loud:
        return ""
    alert = min(loud, key=lambda one: (one.starts_at, one.name))
    more = f", and {count(len(loud) - 1, 'other alert')}" if len(loud) > 1 else ""
    since = utc(alert.starts_at.timestamp())
    return f"{_shown(alert)} fires since {since}{more}"


def _of(attempt: Attempt, config: PackConfig, name: str) -> Iterator[Alert]:
    """Yield the alerts of an Alertmanager that fire, unsilenced, and count, in one request."""
    wanted = [parse(text) for text in config.maintenance.alerts[name]]
    alertmanager = Alertmanager.from_config(config, name)
    alertmanager.wait = attempt.wait
    for alert in firing(alertmanager, suppressed=False):
        if any(match(matchers, alert.labels) for matchers in wanted):
            yield alert


def _shown(alert: Alert) -> str:
    about = alert.labels.get("instance") or alert.labels.get("host")
    of = f" of {clean(about):.80}" if about else ""
    return f"Alert {clean(alert.name) or 'without a name':.80}{of}"
