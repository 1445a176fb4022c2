# The whole device list of the kata profile; without-default-devices drops everything not named here, SATA, floppy
# and USB of the machines included (patches/kata/optional-devices.patch). tests/machine/types_test.cc has what is left.
# Machines: q35 (what Kata calls by that name) and microvm.
CONFIG_Q35=y
CONFIG_MICROVM=y
# q35's timer, which its ACPI tables describe.
CONFIG_HPET=y

# Buses: root ports for VFIO (the pci-bridges that Kata hot-plugs into come with PCI).
CONFIG_PCIE_PORT=y
CONFIG_VIRTIO_PCI=y

# Boot: console, image, root file system, entropy, network.
CONFIG_VIRTIO_SERIAL=y
CONFIG_NVDIMM=y
CONFIG_VIRTIO_SCSI=y
CONFIG_SCSI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_NET=y
CONFIG_VHOST_USER_FS=y
CONFIG_VIRTIO_9P=y
CONFIG_FSDEV_9P=y
CONFIG_VHOST_VSOCK=y
# vsock through a back-end in another process, for hosts without /dev/vhost-vsock.
CONFIG_VHOST_USER_VSOCK=y

# Hot-plug: memory by virtio-mem, disks by vhost-user-blk (pc-dimm comes with q35), VFIO devices.
CONFIG_VIRTIO_MEM=y
CONFIG_VHOST_USER_BLK=y
CONFIG_VFIO=y
CONFIG_VFIO_PCI=y

# Options: vIOMMU, pvpanic, confidential guests and SGX.
CONFIG_VTD=y
CONFIG_PVPANIC_ISA=y
CONFIG_SEV=y
CONFIG_SGX=y
