"""What launchers leave in the environment of a job: it would make ranks of the trainings here.

A run inside `accelerate launch`, `torchrun`, MPI or a container that was made for one finds such
variables. Scenarios say by arguments what they mean, and their own ranks are told by
`conformance.running.launch.rendezvous`.
"""

import os
from collections.abc import MutableMapping

# Read by torch.distributed's env:// rendezvous, accelerate.state and accelerate.utils.environment.
_NAMES = {
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MPI_LOCALRANKID"),
    *("MASTER_ADDR", "MASTER_PORT", "GROUP_RANK", "GROUP_WORLD_SIZE", "FORK_LAUNCHED"),
    *("ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE"),
}
_PREFIXES = (
    *("ACCELERATE_", "FSDP_", "PARALLELISM_CONFIG_", "MEGATRON_LM_", "TORCHELASTIC_"),
    *("OMPI_COMM_WORLD_", "PMI_", "MV2_COMM_WORLD_", "SMDATAPARALLEL_"),
)


def forget(environ: MutableMapping[str, str] = os.environ) -> None:
    """Take out of an environment what tells a process that a launcher started it, and how."""
    for name in [name for name in environ if name in _NAMES or name.startswith(_PREFIXES)]:
        del environ[name]
