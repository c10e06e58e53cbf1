export CAUSEWAY_WHEELHOUSE=${CAUSEWAY_WHEELHOUSE:?directory with the wheels of the agent}
