"""A whole OpenStack on 127.0.0.1, for tests, demonstrations and benchmarks.

Only the standard library is used here: ``devcloud/up`` must run before anything is installed.
What runs inside OpenStack's own processes is the package in ``devcloud/inside``.
"""
