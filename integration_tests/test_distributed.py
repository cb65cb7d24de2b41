"""PPO over several processes of this machine."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from integration_tests.agents import _distributed
from integration_tests.agents._checkpoint import import_params

SMALL = {
    "total-steps": 4096,
    "num-envs": 16,
    "rollout-steps": 16,
    "hidden-units": 8,
    "evaluations": 8,
    "eval-episodes": 4,
    "epochs": 2,
    "minibatches": 2,
    "checkpoint-every": 2,
}
BOUND = 90
"""Seconds within which the others must end: the heartbeat's 10 several times over, on a busy machine."""


def start(out, *arguments, devices):
    settings = [f"--{name}={value}" for name, value in {**SMALL, "out": out}.items()]
    command = [sys.executable, "-m", "integration_tests.agents.ppo", *settings, *arguments]
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def start_two(out, *arguments):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    shared = ("--coordinator", address, "--num-processes", "2", "--lost-after", "10", *arguments)
    return [start(out, *shared, "--process-id", str(i), devices=2) for i in range(2)]


def finish(*processes):
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)
    return outputs


def params_of(out):
    return import_params(out / "params.safetensors")


def check_each(check, first, second):
    assert first.keys() == second.keys()
    for module, names in first.items():
        assert names.keys() == second[module].keys()
        for name, array in names.items():
            check(second[module][name], array)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    first, second = finish(*start_two(out))
    assert "PPO on CartPole-v1" in first
    assert "PPO on CartPole-v1" not in second  # The first process speaks for all.
    return out


@pytest.mark.distributed
def test_two_processes_learn_what_one_does(uninterrupted, tmp_path):
    finish(start(tmp_path, "--devices", "4", devices=4))
    # The same numbers, added up in another order.
    check_each(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
        params_of(uninterrupted),
        params_of(tmp_path),
    )


@pytest.mark.distributed
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_is_killed_and_all_start_again(uninterrupted, tmp_path, victim):
    processes = start_two(tmp_path)
    deadline = time.monotonic() + 180
    while not (tmp_path / "checkpoints" / "2").is_dir():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    processes[victim].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    other = processes[1 - victim]
    output, _ = other.communicate(timeout=BOUND)
    assert time.monotonic() - killed < BOUND
    processes[victim].communicate()
    assert processes[victim].returncode == -signal.SIGKILL
    assert other.returncode != 0, output
    assert re.search("lost another process|coordination service", output), output

    finish(*start_two(tmp_path, "--resume"))
    check_each(np.testing.assert_array_equal, params_of(uninterrupted), params_of(tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coordinator": "localhost:1"}, "--coordinator needs --num-processes and --process-id as well."),
        ({"num_processes": 2}, "--num-processes and --process-id need --coordinator HOST:PORT"),
        ({"process_id": 0}, "--num-processes and --process-id need --coordinator HOST:PORT"),
        (
            {"coordinator": "localhost:1", "num_processes": 2, "process_id": 2},
            "--process-id is 2, expected a number from 0 to 1: --num-processes is 2.",
        ),
        ({"detect_cluster": True, "process_id": 0}, "--detect-cluster finds the other processes itself"),
        ({"lost_after": 0}, "--lost-after is 0, expected a positive number."),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        _distributed.connect(_distributed.Processes(**settings))
