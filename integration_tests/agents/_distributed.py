"""Several processes, on one machine or many, that train one agent: how they find each other, and how they end."""

import dataclasses
import os
import sys
from collections.abc import Callable
from typing import Any

import jax


@dataclasses.dataclass(frozen=True)
class Processes:
    """How this process finds the others of the run; alone, it needs none of this."""

    coordinator: str | None = None
    """The address HOST:PORT of process 0, the same for all processes."""
    num_processes: int | None = None
    """How many processes there are."""
    process_id: int | None = None
    """Which of them this one is, from 0."""
    detect_cluster: bool = False
    """Whether to learn the three from the cluster that started the process, such as Slurm, MPI or a TPU pod."""
    lost_after: int = 30
    """Seconds without a sign of life of a process after which the others give it up."""

    def check_processes(self) -> None:
        """Raises ValueError where the settings do not fit together."""
        by_hand = (self.coordinator, self.num_processes, self.process_id)
        if self.detect_cluster and by_hand != (None, None, None):
            raise ValueError("--detect-cluster finds the other processes itself; leave --coordinator and the like out.")
        if self.coordinator is None:
            if by_hand != (None, None, None):
                raise ValueError(
                    "--num-processes and --process-id need --coordinator HOST:PORT, the address of process 0."
                )
        elif self.num_processes is None or self.process_id is None:
            raise ValueError("--coordinator needs --num-processes and --process-id as well.")
        elif not 0 <= self.process_id < self.num_processes:
            raise ValueError(
                f"--process-id is {self.process_id}, expected a number from 0 to {self.num_processes - 1}: "
                f"--num-processes is {self.num_processes}."
            )
        if self.lost_after < 1:
            raise ValueError(f"--lost-after is {self.lost_after}, expected a positive number.")

    @property
    def many(self) -> bool:
        """Whether there are other processes."""
        return self.detect_cluster or self.coordinator is not None


def connect(processes: Processes) -> None:
    """Waits for the other processes; must come before anything is computed.

    Raises:
      ValueError: the settings do not fit together, there is no cluster to be detected, or the others did not come.
    """
    processes.check_processes()
    if not processes.many:
        return
    try:
        jax.distributed.initialize(
            processes.coordinator,
            processes.num_processes,
            processes.process_id,
            initialization_timeout=4 * processes.lost_after,
            heartbeat_timeout_seconds=processes.lost_after,
        )
    except (RuntimeError, ValueError) as error:  # A RuntimeError where the others did not come.
        raise ValueError(f"the processes did not find each other: {error}") from error


def run_together(main: Callable[[], Any]) -> Any:
    """Returns what `main` returns; where another process is lost, ends this one with a clear error.

    It ends at once: JAX would else wait for the lost process, to shut down together.
    """
    try:
        return main()
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        reason = str(error).strip().splitlines()[0]
        print(
            f"process {jax.process_index()} of {jax.process_count()} ends, because it lost another process: {reason}\n"
            "Start all processes again with --resume; they go on from the newest checkpoint.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)
