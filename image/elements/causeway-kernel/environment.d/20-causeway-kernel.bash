# Debian's script that makes an initramfs when a kernel is installed makes none: install.d/50-initramfs makes ours.
export INITRD=No
