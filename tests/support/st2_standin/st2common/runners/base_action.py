"""The base class of python-script actions, as far as an action can see it."""

import logging


class Action:
    """Holds the pack's configuration and a logger that writes to stderr."""

    def __init__(self, config=None, action_service=None):
        self.config = config or {}
        self.action_service = action_service
        self.logger = logging.getLogger(f"st2.actions.python.{type(self).__name__}")
