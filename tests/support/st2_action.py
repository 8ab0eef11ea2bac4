"""Run an action's entry point as StackStorm's python runner does, and print what it returned.

usage: python st2_action.py ENTRY_POINT CONFIG.json PARAMETERS.json
"""

import importlib.util
import inspect
import json
import logging
import sys


def main() -> None:
    """Load the module, take the one class that is defined in it, and call run()."""
    entry_point, config, parameters = sys.argv[1:]
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    spec = importlib.util.spec_from_file_location("workflow_actions", entry_point)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    defined = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    ]
    (action,) = defined
    success, result = action(config=json.loads(config)).run(**json.loads(parameters))
    print(json.dumps({"success": success, "type": type(success).__name__, "result": result}))


if __name__ == "__main__":
    main()
