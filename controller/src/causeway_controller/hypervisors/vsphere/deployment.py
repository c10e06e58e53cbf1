"""An appliance made of the OVA: imported under a name of this attempt, then given its own. Blocking.

The name is the one act that counts: vSphere has each once in a folder, and on an ESXi host. Whoever is
second finds it taken, and deletes what he made.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import HypervisorError, MachineSpec
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.hypervisors.vsphere import api, binding, machines, networks, upload
from causeway_controller.hypervisors.vsphere import place as places
from causeway_controller.hypervisors.vsphere.ova import Ova
from causeway_controller.hypervisors.vsphere.place import Place
from causeway_controller.hypervisors.vsphere.upload import Endpoint

_SEED: Final = "causeway-seed.iso"
ABANDONED_SECONDS: Final = 900.0
"""An attempt that is this old by the host's clock is nobody's any more: a lease ends sooner."""
_SEED_SECONDS: Final = 120.0
BEGUN: Final = "causeway.begun"
"""The variable that says when, in seconds of the epoch."""


def attempt_name(owner_id: str, attempt: str) -> str:
    """What the VM is called until it is whole."""
    return f"{owner_id}-{attempt}"


def make(
    place: Place,
    spec: MachineSpec,
    ova: Ova,
    *,
    endpoint: Endpoint,
    attempt: str,
    watch: Upload,
) -> None:
    """Import the disk, and put the seed's disc in. What was made when this raises, `take_back` deletes."""
    folder, pool = places.ensure(place)
    made = _import_spec(place, pool, spec, ova, attempt)
    host = places.choose(place, (networks.port_group(place, nic.segment) for nic in spec.nics))
    lease = pool.ImportVApp(made.importSpec, None if place.standalone else folder, host)
    upload.import_disk(lease, made.fileItem, ova, endpoint, watch)
    if spec.seed:
        watch.waits("take the seed's disc", _SEED_SECONDS)
        _, vmodl = binding.load()
        vm = attempt_vm(place, spec.owner_id, attempt)
        directory = _directory(vm)
        try:
            _insert_seed(place, vm, directory, spec.seed, endpoint)
        except vmodl.fault.ManagedObjectNotFound as error:
            _delete_left(place, directory)
            raise _removed(spec.owner_id, attempt) from error


def commit(place: Place, spec: MachineSpec, attempt: str) -> bool:
    """Give it its name and its instance UUID; False when another is there already."""
    vim, vmodl = binding.load()
    vm = attempt_vm(place, spec.owner_id, attempt)
    try:
        api.finish(vm.Rename_Task(spec.owner_id))
    except (vim.fault.DuplicateName, vmodl.fault.InvalidArgument):
        if machines.ours(place, spec.owner_id) is None:
            raise
        return False
    settle(place, spec.owner_id)
    return True


def settle(place: Place, owner_id: str) -> None:
    """Have the machine of this name also found when somebody renames it."""
    vim, _ = binding.load()
    vm = machines.ours(place, owner_id)
    if vm is not None and vm.config.instanceUuid != machines.identity(owner_id):
        api.finish(vm.ReconfigVM_Task(vim.vm.ConfigSpec(instanceUuid=machines.identity(owner_id))))


def attempt_vm(place: Place, owner_id: str, attempt: str) -> Any:
    """The VM of this attempt. Raises HypervisorError where somebody removed it."""
    name = attempt_name(owner_id, attempt)
    folder = place.folder
    vm = None if folder is None else place.service.content.searchIndex.FindChild(folder, name)
    if vm is None:
        raise _removed(owner_id, attempt)
    return vm


def _removed(owner_id: str, attempt: str) -> HypervisorError:
    return HypervisorError(f"somebody removed {attempt_name(owner_id, attempt)} while it was deployed")


def take_back(place: Place, owner_id: str, attempt: str) -> None:
    """Delete what this attempt made, if anything."""
    _, vmodl = binding.load()
    with contextlib.suppress(vmodl.fault.ManagedObjectNotFound):  # somebody else removes it
        for vm in machines.attempts(place, owner_id):
            if vm.name == attempt_name(owner_id, attempt):
                remove(place, vm)


def remove_abandoned(place: Place, owner_id: str, *, all_of_them: bool) -> None:
    """Delete attempts that nobody goes on with: all, once the machine is there or is not wanted any more."""
    vim, vmodl = binding.load()
    now = place.service.CurrentTime().timestamp()
    for vm in machines.attempts(place, owner_id):
        # One that is still imported is refused by the host, and deleted by whoever imports it.
        with contextlib.suppress(vim.fault.VimFault, vmodl.RuntimeFault):
            begun = float(machines.variable(vm, BEGUN) or now)
            # Whoever is slow may have made it the machine meanwhile.
            if (all_of_them or now - begun > ABANDONED_SECONDS) and machines.is_attempt(vm, owner_id):
                remove(place, vm)


def remove(place: Place, vm: Any) -> None:
    """Power it off and delete it with its files; nothing to do when it is gone."""
    _, vmodl = binding.load()
    try:
        machines.switch(vm, on=False)
        directory = _directory(vm)
        # First, for the directory goes with the machine, if nothing else is in it.
        _delete_file(place, directory + _SEED)
        api.finish(vm.Destroy_Task())
    except vmodl.fault.ManagedObjectNotFound:
        return
    _delete_left(place, directory)


def _import_spec(place: Place, pool: Any, spec: MachineSpec, ova: Ova, attempt: str) -> Any:
    """What vSphere makes of the descriptor, with our vNICs in place of its own."""
    vim, _ = binding.load()
    backings = [networks.backing(place, nic.segment) for nic in spec.nics]
    first = networks.port_group(place, spec.nics[0].segment)
    parameters = vim.OvfManager.CreateImportSpecParams(
        entityName=attempt_name(spec.owner_id, attempt),
        diskProvisioning="thin",
        locale="",
        deploymentOption="",
        networkMapping=[vim.OvfManager.NetworkMapping(name=one, network=first) for one in ova.networks],
    )
    manager = place.service.content.ovfManager
    made = manager.CreateImportSpec(ova.descriptor, pool, place.datastore, parameters)
    if made.error:
        said = "; ".join(str(getattr(one, "msg", "") or one.localizedMessage) for one in made.error)
        raise HypervisorError(f"the host does not take the appliance's OVA: {said}")
    config = made.importSpec.configSpec
    card = vim.vm.device.VirtualEthernetCard
    kept = [one for one in config.deviceChange if not isinstance(one.device, card)]
    ours = [
        _vnic(nic.mac, backing, -100 - place_of)
        for place_of, (nic, backing) in enumerate(zip(spec.nics, backings, strict=True))
    ]
    config.deviceChange = [*kept, *ours]
    begun = str(place.service.CurrentTime().timestamp())
    variables = {machines.OWNER: spec.owner_id, machines.NICS: machines.noted(spec.nics), BEGUN: begun}
    config.extraConfig = [
        *config.extraConfig,
        *(vim.option.OptionValue(key=key, value=value) for key, value in variables.items()),
    ]
    config.annotation = (
        f"Network extension appliance {spec.name}, kept by Causeway: do not change its hardware."
    )
    return made


def _vnic(mac: str, backing: Any, key: int) -> Any:
    vim, _ = binding.load()
    connected = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, connected=True, allowGuestControl=False
    )
    device = vim.vm.device.VirtualVmxnet3(
        key=key, addressType="manual", macAddress=mac, backing=backing, connectable=connected
    )
    return vim.vm.device.VirtualDeviceSpec(operation="add", device=device)


def _insert_seed(place: Place, vm: Any, directory: str, seed: bytes, endpoint: Endpoint) -> None:
    """Write the disc beside the machine's files, and put it into its IDE drive."""
    vim, _ = binding.load()
    path = directory + _SEED
    cookie = place.service._stub.cookie  # noqa: SLF001 - the binding has no other name for it
    endpoint.put_file(place, path.partition("] ")[2], seed_image.iso(seed), cookie)
    drive = next(
        (one for one in vm.config.hardware.device if isinstance(one, vim.vm.device.VirtualCdrom)), None
    )
    if drive is None:
        raise HypervisorError("the appliance's OVA describes no drive that its seed could be put into")
    drive.backing = vim.vm.device.VirtualCdrom.IsoBackingInfo(fileName=path, datastore=place.datastore)
    drive.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, connected=False, allowGuestControl=True
    )
    change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=drive)
    api.finish(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))


def _directory(vm: Any) -> str:
    """`[datastore] directory/` of the VM's files."""
    head, slash, _ = str(vm.config.files.vmPathName).rpartition("/")
    return head + slash


def _delete_left(place: Place, directory: str) -> None:
    """Delete a disc that somebody wrote while the machine was deleted, and the directory if that was all."""
    if _delete_file(place, directory + _SEED):
        found = api.finish(place.datastore.browser.SearchDatastore_Task(directory))
        if not found.file:
            _delete_file(place, directory)


def _delete_file(place: Place, path: str) -> bool:
    """Delete a file or directory of the datastore; whether there was one."""
    vim, _ = binding.load()
    try:
        api.finish(place.service.content.fileManager.DeleteDatastoreFile_Task(path, place.datacenter))
    except (vim.fault.FileNotFound, vim.fault.FileFault):
        return False
    return True
