"""Creates a service's schema and first rows in one process.

Each `keystone-manage` or `nova-manage` command spends seconds on imports; a new cloud needs two of
the first and five of the second. The steps here are theirs, called one after the other.
"""

import os
import sys

ALREADY_THERE = 2
"""What create_cell answers for a cell with the same database."""


def keystone(config_file):
    """The schema, then the first administrator and roles (read from OS_BOOTSTRAP_*)."""
    from keystone.cmd import cli

    for command in ("db_sync", "bootstrap"):
        cli.CONF.clear()  # else it refuses to read a second command line
        cli.main(["keystone-manage", f"--config-file={config_file}", command])


def nova(*config_files):
    """The schemas of API and cells, both cells, and a mapping for every host to come."""
    sys.argv[1:] = [f"--config-file={file}" for file in config_files]
    # this import chooses nova's threading model, so it must come before anything else of nova
    from nova.cmd import manage  # isort: skip
    from nova import config, objects

    config.parse_args(sys.argv)
    objects.register_all()
    manage.ApiDbCommands().sync()
    cells = manage.CellV2Commands()
    databases = manage.CONF.database.connection
    cells.map_cell0(databases + "_cell0")
    created = cells.create_cell(name="cell1")
    if created not in (0, ALREADY_THERE):
        sys.exit(created)
    if manage.DbCommands().sync():
        sys.exit("the schema of a cell could not be made")
    _map_hosts(os.environ["DEVCLOUD_COMPUTE_HOSTS"].split())


def _map_hosts(hosts):
    """Say ahead that the hosts are in cell1, so that no discovery has to follow their start."""
    from nova import context, objects

    admin = context.get_admin_context()
    cells = objects.CellMappingList.get_all(admin)
    cell1 = next(cell for cell in cells if cell.name == "cell1")
    mapped = {row.host for row in objects.HostMappingList.get_all(admin)}
    for host in sorted(set(hosts) - mapped):
        objects.HostMapping(admin, host=host, cell_mapping=cell1).create()


def main():
    """devcloud-schema keystone|nova CONFIG_FILE..."""
    name, *config_files = sys.argv[1:]
    {"keystone": keystone, "nova": nova}[name](*config_files)
