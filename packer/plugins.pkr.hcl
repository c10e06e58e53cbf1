# For Packer 1.7 and later, which has builders apart: `packer init packer` fetches this one. Debian's 1.6.6 has it built
# in and refuses this block, so it is given appliance.pkr.hcl alone.
packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.0.0"
    }
  }
}
