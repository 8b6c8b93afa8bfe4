"""Trainings in two or more processes, which a fork server makes for each scenario.

`pool` orders a training and gathers what its ranks saw; `server_process` starts the fork server or
forks it of this process, `fork_server` is what that does; `rank` is one rank's training, and
`rendezvous` where ranks find each other. How what wraps, shards or offloads a model is asked for
and read: `wrappers`, with `flat_parameters` for FSDP 1, `zero` for DeepSpeed, `torch_on_cpu` for
two faults of torch that show on a CPU alone.
"""

from .pool import Pool, RanksHung, RanksLost

__all__ = ["Pool", "RanksHung", "RanksLost"]
