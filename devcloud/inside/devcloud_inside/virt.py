"""Nova's FakeDriver, made fit for a cloud that lives long and is told to misbehave.

What is different from nova.virt.fake.FakeDriver:

* the node's id is stable, so nova-compute can be restarted (the original refuses a second start);
* guests survive a restart, and are paused where they were paused, also after a live migration;
* a snapshot uploads a few bytes, so its image becomes active;
* the host answers how long it is up; a live migration takes the guest off its source;
* knobs make operations slow or make them fail (see devcloud_inside.knobs).
"""

import io
import os
import time
import uuid

import nova.conf
import nova.virt.node
from nova import exception
from nova.compute import power_state, task_states
from nova.image import glance
from nova.virt import fake
from oslo_config import cfg

from devcloud_inside.guests import Guests
from devcloud_inside.knobs import Knobs

CONF = nova.conf.CONF
CONF.register_opts(
    [
        cfg.IntOpt("vcpus", default=128),
        cfg.IntOpt("memory_gib", default=256),
        cfg.IntOpt("disk_gib", default=20 * 1024),
    ],
    group="devcloud",
)
NODES = uuid.UUID("6f2a4a0e-5d0c-4a6b-9a51-05b0c0ffee00")
"""The namespace in which a host's name becomes its node's id."""


class DevcloudDriver(fake.FakeDriver):
    """One pretended hypervisor."""

    def __init__(self, virtapi, read_only=False):
        self.vcpus = CONF.devcloud.vcpus
        self.memory_mb = CONF.devcloud.memory_gib * 1024
        self.local_gb = CONF.devcloud.disk_gib
        super().__init__(virtapi, read_only)
        self.instances = Guests(os.path.join(CONF.state_path, "guests.json"))
        self._knobs = Knobs(CONF.state_path)
        self._started = time.time()
        self._aborted, self._forced = set(), set()

    # -- who it is

    def init_host(self, host):
        self._host = host
        self._set_nodes([host])

    def get_nodenames_by_uuid(self, refresh=False):
        return {_node_id(): CONF.host}

    def get_available_nodes(self, refresh=False):
        return [CONF.host]

    def get_available_resource(self, nodename):
        return super().get_available_resource(nodename) | {"uuid": _node_id()}

    def get_host_uptime(self):
        up = int(time.time() - self._started)
        now = time.strftime("%H:%M:%S")
        return (
            f" {now} up {up // 3600}:{up // 60 % 60:02d},  0 users,  load average: 0.00, 0.00, 0.00"
        )

    # -- operations with knobs

    def spawn(self, context, instance, *args, **kwargs):
        self._knobs.obey("spawn", instance.uuid)
        return super().spawn(context, instance, *args, **kwargs)

    def destroy(self, context, instance, *args, **kwargs):
        self._knobs.obey("destroy", instance.uuid)
        return super().destroy(context, instance, *args, **kwargs)

    def power_on(self, context, instance, *args, **kwargs):
        self._knobs.obey("power", instance.uuid)
        return super().power_on(context, instance, *args, **kwargs)

    def power_off(self, instance, *args, **kwargs):
        self._knobs.obey("power", instance.uuid)
        return super().power_off(instance, *args, **kwargs)

    def migrate_disk_and_power_off(self, context, instance, *args, **kwargs):
        self._knobs.obey("migrate", instance.uuid)
        return super().migrate_disk_and_power_off(context, instance, *args, **kwargs)

    def snapshot(self, context, instance, image_id, update_task_state):
        if instance.uuid not in self.instances:
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        self._knobs.obey("snapshot", instance.uuid)
        images = glance.API()
        image = images.get(context, image_id)
        update_task_state(
            task_state=task_states.IMAGE_UPLOADING,
            expected_state=task_states.IMAGE_PENDING_UPLOAD,
        )
        images.update(
            context,
            image_id,
            {
                "name": image["name"],
                "status": "active",
                "disk_format": "raw",
                "container_format": "bare",
                "properties": {},
            },
            data=io.BytesIO(b"devcloud snapshot of " + instance.uuid.encode()),
            purge_props=False,
        )

    # -- pausing shows in the power state, as libvirt has it

    def pause(self, instance):
        self._set_state(instance, power_state.PAUSED)

    def unpause(self, instance):
        self._set_state(instance, power_state.RUNNING)

    def _set_state(self, instance, state):
        if instance.uuid not in self.instances:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        self.instances[instance.uuid].state = state

    # -- live migration

    def live_migration(
        self,
        context,
        instance,
        dest,
        post_method,
        recover_method,
        block_migration=False,
        migrate_data=None,
    ):
        self._copy_memory(instance.uuid)
        if instance.uuid in self._aborted:
            self._aborted.discard(instance.uuid)
            recover_method(context, instance, dest, migrate_data, migration_status="cancelled")
        elif self._knobs.fails("live_migration", instance.uuid):
            # as libvirt's driver does: roll back, do not raise
            recover_method(context, instance, dest, migrate_data)
        else:
            post_method(context, instance, dest, block_migration, migrate_data)

    def _copy_memory(self, server_id):
        """Take the time a migration takes, unless it is aborted or forced to its end."""
        self._aborted.discard(server_id)
        self._forced.discard(server_id)
        end = time.time() + self._knobs.seconds("live_migration")
        while time.time() < end and server_id not in self._aborted | self._forced:
            time.sleep(0.1)

    def live_migration_force_complete(self, instance):
        self._forced.add(instance.uuid)

    def live_migration_abort(self, instance):
        self._aborted.add(instance.uuid)

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        super().destroy(context, instance, network_info=None)

    def post_live_migration_at_destination(self, context, instance, *args, **kwargs):
        # FakeDriver's own calls spawn(), whose knobs are about boots
        nothing = (None, None, None, None)
        super().spawn(context, instance, *nothing)
        self.instances[instance.uuid].state = instance.power_state


def _node_id():
    """The same at every start: from the host's name, and kept where nova looks for it."""
    known = nova.virt.node.read_local_node_uuid()
    if known is None:
        known = str(uuid.uuid5(NODES, CONF.host))
        nova.virt.node.write_local_node_uuid(known)
    return known
