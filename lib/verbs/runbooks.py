"""The runbooks of verbs. Annotations are evaluated here: a verb's options are one of them."""

from accounts.cloud import Cloud
from verbs.following import step_of
from verbs.planning import plan_of
from verbs.servers import SERVER, SERVER_VERBS
from verbs.verb import Verb
from workflow_api import Context, Plan, workflow
from workflow_api.parameters import ServerName


def register_server_verbs() -> None:
    """Register a runbook and a step for each verb of servers."""
    known = {verb.name: verb for verb in SERVER_VERBS}
    for verb in SERVER_VERBS:
        _of_server(verb, step_of(SERVER, verb, known))


def _of_server(verb: Verb, step: object) -> None:
    def change(
        ctx: Context,
        cloud: Cloud,
        server: ServerName,
        *,
        options: verb.options,  # type: ignore[name-defined] # a type that the row says
    ) -> Plan:
        return plan_of(ctx, cloud, SERVER, verb, step, server, options)

    change.__doc__ = verb.summary
    workflow(verb.name, one_object=True, timeout=verb.timeout)(change)
