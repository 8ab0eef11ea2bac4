"""A sensor of the pack in a process of its own, as StackStorm's container runs it.

It is given the module, the class and the configuration on stdin. For each trigger it writes a line
and waits for an answer, an empty one or the reason why the trigger could not be dispatched.
"""

import importlib
import json
import logging
import sys
import time


class Service:
    """What a sensor is given to dispatch with."""

    def get_logger(self, name):
        return logging.getLogger(name)

    def dispatch(self, trigger, payload):
        print(json.dumps({"trigger": trigger, "payload": payload, "at": time.time()}), flush=True)
        if why := sys.stdin.readline().strip():
            raise RuntimeError(why)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asked = json.loads(sys.stdin.readline())
    sensor = getattr(importlib.import_module(asked["module"]), asked["class"])
    sensor(Service(), asked["config"]).run()
