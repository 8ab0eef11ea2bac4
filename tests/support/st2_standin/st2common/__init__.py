"""A stand-in for what an action imports of StackStorm, which is not on PyPI."""
