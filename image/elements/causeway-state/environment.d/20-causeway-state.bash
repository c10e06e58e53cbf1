export CAUSEWAY_STATE_PARTUUID=${CAUSEWAY_STATE_PARTUUID:?partition UUID of the state file system}
