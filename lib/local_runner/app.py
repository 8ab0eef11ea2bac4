"""The command line of ``./runbook``."""

from __future__ import annotations

import json
import logging
import sys
import traceback
import uuid
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, TextIO, cast

import typer

from common.errors import NotFound, RunbookError, UserError
from common.text import clean
from local_runner import completion
from local_runner.actions import ACTIONS, Catalogue, alike
from local_runner.running import DONE, FAILED, INTERRUPTED, REFUSED, Command
from local_runner.screen import AnswerLost, Answers, forgiving, tell_lost

NAME = "runbook"
COMMANDS = ("list", "show", "run", "watch")
# What typer ends with; some of its versions turn Ctrl-C into 130.
_CODES: dict[object, int] = {None: DONE, 0: DONE, 2: REFUSED, 3: INTERRUPTED, 130: INTERRUPTED}

app = typer.Typer(
    name=NAME,
    help="Run the pack's actions on this machine, without StackStorm.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    return _catalogue(ctx).subjects()


def _actions(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    return completion.action_names(_catalogue(ctx), incomplete)


def _words(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    given: dict[str, Any] = ctx.params
    before, config = given.get("words") or [], given.get("config")
    return completion.words(
        _catalogue(ctx),
        given.get("action") or "",
        before,
        incomplete,
        lambda: completion.cloud_names(Path(config) if config else None),
    )


def _catalogue(ctx: typer.Context) -> Catalogue:
    return ctx.obj if isinstance(ctx.obj, Catalogue) else Catalogue()


Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON only.")]
ActionName = Annotated[
    str | None,
    typer.Argument(metavar="ACTION", help="As in hypervisor.drain.", autocompletion=_actions),
]


@app.command("list")
def list_actions(
    ctx: typer.Context,
    subject: Annotated[
        str | None,
        typer.Argument(help="Only this subject's, as in server.", autocompletion=_subjects),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the actions."""
    catalogue = _catalogue(ctx)
    actions = catalogue.all()
    for problem in catalogue.problems:
        typer.echo(f"Warning: {problem}", err=True)
    if not actions:
        raise UserError(f"There are no actions in {catalogue.folder}.")
    if subject is not None:
        subjects = {action.name.partition(".")[0] for action in actions}
        if subject not in subjects:
            found = alike(subject, dict.fromkeys(subjects)) or sorted(subjects)
            raise NotFound("subject", clean(subject), near=found)
        actions = [action for action in actions if action.name.partition(".")[0] == subject]
    if as_json:
        from local_runner.output import as_data

        _print_json([as_data(action) for action in actions])
        return
    from local_runner.output import show_actions

    show_actions(actions)


@app.command("show")
def show(ctx: typer.Context, action: ActionName = None, as_json: Json = False) -> None:
    """Show an action's parameters."""
    _show(ctx, action, as_json)


@app.command("run", add_help_option=False)
def run(
    ctx: typer.Context,
    action: ActionName = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Its parameters; @KEY=FILE takes the value from a file.",
            autocompletion=_words,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The pack's configuration."),
    ] = None,
    as_json: Json = False,
    explain: Annotated[
        bool, typer.Option("--help", "-h", help="Show this, or the action's parameters.")
    ] = False,
) -> None:
    """Run an action."""
    if explain and action is None:
        typer.echo(ctx.get_help())
        return
    if explain:
        _show(ctx, action, as_json)
        return
    command = Command(_catalogue(ctx), _named(action), words or [], config, as_json)
    raise typer.Exit(command.run())


def _sensors(ctx: typer.Context, incomplete: str) -> list[str]:
    from observers.observer import names

    before, comma, _ = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names() if name not in before.split(",")]


@app.command("watch")
def watch(
    sensors: Annotated[
        str,
        typer.Argument(
            metavar="SENSOR[,SENSOR]...",
            help="As in hypervisor_state,cloud_state.",
            autocompletion=_sensors,
        ),
    ],
    cloud: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this cloud; may be repeated.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Between two looks, instead of what is configured."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The pack's configuration."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each event and error.")
    ] = False,
    rules: Annotated[
        bool,
        typer.Option("--rules", help="Start what enabled rules start; say what others would."),
    ] = False,
    enable: Annotated[
        str | None,
        typer.Option(metavar="RULE[,RULE]...", help="With --rules, also have these rules act."),
    ] = None,
) -> None:
    """Show what sensors tell, as it happens. Ctrl-C ends it."""
    from local_runner.watching import watch as watch_sensors

    if enable and not rules:
        raise UserError("--enable says which rules act: it needs --rules.")
    enabled = [word.strip() for word in (enable or "").split(",") if word.strip()]
    code = watch_sensors(
        sensors.split(","),
        config,
        clouds=cloud or (),
        every=every,
        once=once,
        as_json=as_json,
        rules=enabled if rules else None,
    )
    raise typer.Exit(code)


def _show(ctx: typer.Context, name: str | None, as_json: bool) -> None:
    from local_runner.output import as_data, show_action

    action = _catalogue(ctx).action(_named(name))
    if as_json:
        _print_json(as_data(action))
    else:
        show_action(action)


def _named(name: str | None) -> str:
    if name is None:
        raise UserError("Which action?", advice=f"See: ./{NAME} list")
    return name


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, default=str))


def main(arguments: Sequence[str] | None = None, *, actions: Path = ACTIONS) -> int:
    """Run the command and return its exit code; nothing but that ever comes out of it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    forgiving()
    with redirect_stdout(cast("TextIO", Answers(sys.stdout))):
        code = _main(given, actions)
        try:
            sys.stdout.flush()
        except OSError as error:
            tell_lost(error)
            return code or FAILED
    return code


def _main(given: list[str], actions: Path) -> int:
    completion.mend_bash_words()
    catalogue = Catalogue(actions)
    try:
        if given and given[0] not in COMMANDS and "." in given[0] and given[0][0] != "-":
            raise _no_command(given[0], catalogue)
        app(given, prog_name=NAME, obj=catalogue)
    except SystemExit as end:
        return _CODES.get(end.code, FAILED)
    except UserError as error:
        typer.echo(f"{NAME}: {error}", err=True)
        return REFUSED
    except RunbookError as error:  # of a watch: what a run ends with is an answer
        typer.echo(f"{NAME}: {error}", err=True)
        return FAILED
    except KeyboardInterrupt:
        typer.echo(f"{NAME}: interrupted.", err=True)
        return INTERRUPTED
    except (AnswerLost, BrokenPipeError) as error:
        tell_lost(error)
        return FAILED
    except Exception as error:
        return _bug(error)
    return DONE


def _no_command(word: str, catalogue: Catalogue) -> UserError:
    """Return what to say to ``./runbook hypervisor.drain``."""
    try:
        name = catalogue.action(word).name
    except UserError as error:
        return error
    return UserError(f"There is no command {name!r}.", advice=f"To run it: ./{NAME} run {name}")


def _bug(error: Exception) -> int:
    """Log an unexpected exception of this command's own and say where."""
    from engine.unreadable import own_file

    if closed := own_file(error):
        typer.echo(f"{NAME}: {closed}", err=True)
        return FAILED
    from local_runner.logs import log_to_file

    try:
        log = log_to_file()
    except UserError as homeless:
        typer.echo(f"{NAME}: {homeless}", err=True)
        return REFUSED
    number = uuid.uuid4().hex[:12]
    logging.getLogger("openstack_ops").error("bug %s\n%s", number, traceback.format_exc())
    typer.echo(f"{NAME}: Internal error {number}: this is a bug in the pack. {log.note}", err=True)
    return FAILED
