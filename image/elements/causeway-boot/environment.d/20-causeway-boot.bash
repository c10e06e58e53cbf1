export CAUSEWAY_SLOT=${CAUSEWAY_SLOT:-a}
export CAUSEWAY_ROOT_PARTUUID=${CAUSEWAY_ROOT_PARTUUID:?partition UUID of the root file system}
