"""The process of an action, as StackStorm's python runner has it: see st2_runner.py.

It takes the runner's flags, puts the virtualenv's packages first on the path, takes the one class
that is defined in the entry point, and writes what run() returned between two delimiters.
"""

import argparse
import importlib.util
import inspect
import json
import logging
import os
import sys
import sysconfig

# What StackStorm's own modules have imported by then; what an action imports of it is free.
_THERE = (
    *("asyncio", "csv", "ctypes", "decimal", "email.message", "importlib.metadata", "ipaddress"),
    *("pickle", "random", "shutil", "socketserver", "ssl", "subprocess", "tempfile", "uuid"),
    *("zipfile", "zoneinfo", "idna", "stevedore", "yaml"),
)
DELIMITER = b"%%%%%~=~=~=************=~=~=~%%%%"


def main() -> None:
    """Run the action and write its status and result."""
    flags = argparse.ArgumentParser()
    for name in ("pack", "file-path", "user", "parent-args", "parameters"):
        flags.add_argument(f"--{name}", required=True)
    flags.add_argument("--config", default="{}")
    flags.add_argument("--log-level", default="DEBUG")
    given = flags.parse_args()
    for name in _THERE:
        importlib.import_module(name)
    logging.basicConfig(stream=sys.stderr, level=given.log_level)
    action = defined(given.file_path)(config=json.loads(given.config))
    answer = action.run(**json.loads(given.parameters))
    # As the real runner: any other answer than a pair is a success.
    status, result = answer if isinstance(answer, tuple) and len(answer) == 2 else (None, answer)
    output = json.dumps({"result": result, "status": status}, ensure_ascii=False).encode()
    sys.stdout.buffer.write(DELIMITER + output + b"\n" + DELIMITER)
    sys.stdout.flush()


def defined(entry_point: str) -> type:
    """Import the entry point, its folder last on the path, and return the class in it."""
    sys.path.append(os.path.dirname(entry_point))
    spec = importlib.util.spec_from_file_location("workflow_actions", entry_point)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    classes = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    ]
    (action,) = classes
    return action


if __name__ == "__main__":
    sys.path[0] = sysconfig.get_path("platlib")
    main()
