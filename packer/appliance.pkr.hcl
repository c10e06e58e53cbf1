# The gate: boots a copy of a finished disk as a virtual machine, has tests/image look at it from outside and from
# inside, and powers it off. Nothing is provisioned and nothing of the copy is kept: what ships is the pristine disk.
#
# `image/gate.py` prepares what the variables name and runs this. For Debian's Packer 1.6.6 and for later ones:
# what only later ones know is in plugins.pkr.hcl.

variable "disk" {
  type        = string
  description = "Disk to copy and boot."
}

variable "format" {
  type        = string
  description = "Of the disk: qcow2 or raw."
}

variable "checksum" {
  type        = string
  description = "Of the disk, as sha256:HEX."
}

variable "directory" {
  type        = string
  description = "Prepared directory: ovf-env.iso, id, ssh_config, machine.json; console.log and tests.xml are left there."
}

variable "accelerator" {
  type        = string
  description = "QEMU's words for what executes the machine, such as tcg,thread=multi."
}

variable "cpu" {
  type        = string
  description = "Model of the processor, as QEMU names it."
}

variable "management" {
  type        = object({ mac = string, api_port = number, guest_port = number })
  description = "First adapter: its MAC address, and which port of loopback leads to the agent's API."
}

variable "trunk" {
  type        = object({ mac = string, host_port = number, machine_port = number })
  description = "Second adapter: its frames are datagrams between these two UDP ports of loopback."
}

variable "firmware" {
  type        = object({ code = string, variables = string })
  description = "UEFI, as files of OVMF."
}

variable "python" {
  type        = string
  description = "Interpreter that has pytest and testinfra."
}

variable "tests" {
  type        = string
  description = "Directory of the tests."
}

variable "boot_timeout" {
  type        = string
  description = "Longest time until SSH answers."
}

locals {
  copy = "${var.directory}/copy"
  nic  = "virtio-net-pci,romfile="
}

source "qemu" "appliance" {
  iso_url          = var.disk
  iso_checksum     = var.checksum
  disk_image       = true
  format           = var.format
  skip_resize_disk = true
  skip_compaction  = true
  output_directory = local.copy
  vm_name          = "disk"

  # What executes the machine is in qemuargs: -machine and -accel must not both name it.
  accelerator = "none"
  headless    = true
  boot_wait   = "1s"
  qemuargs = [
    ["-machine", "q35"],
    ["-accel", var.accelerator],
    ["-cpu", var.cpu],
    ["-smp", "2"],
    ["-m", "1024M"],
    ["-drive", "if=pflash,format=raw,unit=0,readonly=on,file=${var.firmware.code}"],
    ["-drive", "if=pflash,format=raw,unit=1,snapshot=on,file=${var.firmware.variables}"],
    ["-drive", "if=virtio,format=${var.format},file=${local.copy}/disk"],
    # The guest reaches nobody (restrict); only loopback of this host reaches the guest.
    ["-netdev", "user,id=management,restrict=on,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22,hostfwd=tcp:127.0.0.1:${var.management.api_port}-:${var.management.guest_port}"],
    ["-device", "${local.nic},netdev=management,mac=${var.management.mac}"],
    ["-netdev", "socket,id=trunk,udp=127.0.0.1:${var.trunk.host_port},localaddr=127.0.0.1:${var.trunk.machine_port}"],
    ["-device", "${local.nic},netdev=trunk,mac=${var.trunk.mac}"],
    ["-device", "virtio-rng-pci"],
    ["-serial", "file:${var.directory}/console.log"],
    # The seed as vSphere hands it over: a property of the OVA, in an OVF environment, on a CD.
    ["-drive", "if=none,id=environment,media=cdrom,readonly=on,format=raw,file=${var.directory}/ovf-env.iso"],
    ["-device", "ide-cd,drive=environment"],
  ]

  communicator         = "ssh"
  ssh_username         = "root"
  ssh_private_key_file = "${var.directory}/id"
  ssh_timeout          = var.boot_timeout
  shutdown_command     = "systemctl poweroff"
  shutdown_timeout     = "3m"
}

build {
  sources = ["source.qemu.appliance"]

  provisioner "shell-local" {
    environment_vars = ["CAUSEWAY_MACHINE=${var.directory}/machine.json"]
    inline = [
      "'${var.python}' -m pytest -q -m booted --timeout=300 -p no:randomly '--hosts=ssh://root@${build.Host}:${build.Port}' '--ssh-config=${var.directory}/ssh_config' '--ssh-identity-file=${var.directory}/id' '--junitxml=${var.directory}/tests.xml' '${var.tests}'",
    ]
  }
}
