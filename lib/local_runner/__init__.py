"""The ``./runbook`` command: the pack's own action YAMLs, run without StackStorm."""
