"""The one entry point of every action: hands over to the library and always answers in JSON."""

import gc
import os
import sys
from pathlib import Path

# StackStorm puts <pack>/lib on the path only where enable_common_libs is on (its default is off).
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from st2common.runners.base_action import Action

# Nothing that is imported is garbage; to look through it again and again costs a tenth of a start.
gc.set_threshold(200_000)
TOO_OLD = "openstack_ops needs StackStorm on Python 3.10 or newer: nothing was done."


class WorkflowAction(Action):
    """Runs the workflow that the action's immutable parameter ``workflow`` names."""

    def run(self, workflow, **parameters):
        """Return (success, result): the result is plain JSON whatever happens."""
        if sys.version_info < (3, 10):  # noqa: UP036 - pack.yaml can say no more than "3"
            return False, {"summary": TOO_OLD, "text": TOO_OLD}
        from engine.dispatch import dispatch  # pylint: disable=import-error # see the path
        from engine.stackstorm import (  # pylint: disable=import-error # above
            ExecutionOutput,
            harmless,
            logging_to,
            requester,
            watchers,
        )

        output = ExecutionOutput()
        with logging_to(self.logger):
            kind, result = dispatch(
                workflow,
                parameters,
                self.config,
                requester=requester(os.environ),
                reporter=output,
                cancelled=watchers(os.environ),
            )
        output.answer(result)
        # The process ends with its answer. To look for garbage then costs a third of all.
        gc.freeze()
        return kind == "done", harmless(result)
