"""Runbooks about floating IPs: list, search."""

from workflows.searching import register

register("floating_ip", "floating IPs")
