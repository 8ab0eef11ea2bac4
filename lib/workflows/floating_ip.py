"""Runbooks about floating IPs: list, search."""

from searches.searching import register

register("floating_ip", "floating IPs")
