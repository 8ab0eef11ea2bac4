"""The process of a sensor, as StackStorm's container has it: see test_sensors.py.

    python st2_sensor.py FILE CLASS POLLS [eventlet] < configuration

It loads the class as StackStorm does, polls so many times, and writes a line of JSON for each
trigger that is dispatched and each message that is logged, and at last the poll interval.
"""

import importlib.util
import json
import os
import sys


class Service:
    """What a sensor is given to dispatch with."""

    def __init__(self):
        self.name = ""

    def get_logger(self, name):
        self.name = name
        return self

    def dispatch(self, trigger, payload=None, trace_tag=None):
        print(json.dumps({"trigger": trigger, "payload": payload}), flush=True)

    def error(self, message, *values):
        print(json.dumps({"logged": message % values}), flush=True)

    info = error


def main(file, name, polls):
    """Poll, and write what comes of it."""
    sys.path.append(os.path.dirname(os.path.realpath(file)))
    spec = importlib.util.spec_from_file_location(os.path.basename(file).removesuffix(".py"), file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sensor = getattr(module, name)(
        sensor_service=Service(), config=json.load(sys.stdin), poll_interval=7
    )
    sensor.setup()
    for _ in range(int(polls)):
        sensor.poll()
    sensor.cleanup()
    print(json.dumps({"interval": sensor.get_poll_interval()}))


if __name__ == "__main__":
    if sys.argv[4:] == ["eventlet"]:
        import eventlet

        # What StackStorm's own monkey_patch does.
        eventlet.monkey_patch(os=True, select=True, socket=True, thread=True, time=True)
    main(*sys.argv[1:4])
