"""Starts nova-compute with the devcloud driver importable as nova.virt.devcloud."""

import sys


def main():
    """As the nova-compute command does, with the same options."""
    # this import chooses nova's threading model, so it must come before anything else of nova
    from nova.cmd import compute  # isort: skip
    import nova.virt
    from nova.scheduler.client import report

    from devcloud_inside import virt

    sys.modules["nova.virt.devcloud"] = nova.virt.devcloud = virt
    # Nova 34 reads back the allocation of every guest of the host, a request each, at every claim.
    # It wants them for PCI devices and reshapes, of which there are none here, and from about a
    # hundred guests a host Placement does nothing else.
    report.SchedulerReportClient.get_allocations_for_provider_tree = _no_allocations
    sys.exit(compute.main())


def _no_allocations(self, context, nodename):
    return {}
