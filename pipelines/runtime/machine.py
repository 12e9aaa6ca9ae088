"""The machine that a run is logged on, as the tags of the run name it."""

import os
import platform
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

PROCESSOR = "model name"  # in Linux' table


@cache
def tags() -> dict[str, str]:
    """The host, and what it computes with."""
    return {"espalier.host": socket.gethostname(), "espalier.device": "; ".join(_gpus()) or _cpu()}


def _gpus() -> list[str]:
    """Name, memory and driver of each of NVIDIA's GPUs."""
    import pynvml  # a tenth of a second, for fits alone

    try:
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [
            f"{pynvml.nvmlDeviceGetName(one)}, "
            f"{pynvml.nvmlDeviceGetMemoryInfo(one).total / 2**30:.0f} GiB, driver {driver}"
            for one in handles
        ]
    except pynvml.NVMLError:  # no driver, or no GPU
        return []


def _cpu() -> str:
    name = platform.machine()
    with suppress(OSError, StopIteration):
        table = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        line = next(line for line in table if line.startswith(PROCESSOR))
        name = line.partition(":")[2].strip()
    return f"{name}, {os.cpu_count()} cores"
