"""The machine: which core does what, and what the kernel says of a process. Linux only."""

import mmap
import os
import platform
import resource
import socket
import subprocess
import time
from pathlib import Path

SERVER_CORE = 0
GENERATOR_CORE = 1
TOUCHED_BYTES = 2 << 30
PAGE_BYTES = 4096


def pinned(core, command):
    """`command` with all its threads on one core."""
    return ["taskset", "--cpu-list", str(core), *map(str, command)]


def prepare():
    """Lets this process and those it starts have descriptors enough, and leaves the servers their core."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {GENERATOR_CORE})


def touch_memory():
    """Makes the host of a virtual machine give it pages, which is slow the first time they are touched."""
    with mmap.mmap(-1, TOUCHED_BYTES) as memory:
        memory[::PAGE_BYTES] = b"x" * (TOUCHED_BYTES // PAGE_BYTES)


def cpu_seconds(pid, counts=lambda thread: True):
    """User and system time of the threads whose names count, to the nanosecond.

    Threads that have ended are not in it; none of the servers here ends any while it is measured.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if counts((task / "comm").read_text().strip()):
                total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9


def anonymous_bytes(pid):
    """Memory that is the process's own: neither files nor program text."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise ValueError("the kernel does not say RssAnon")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def on_disk(directory):
    """Whether a sync there means anything."""
    command = ["stat", "--file-system", "--format=%T", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() not in ("tmpfs", "ramfs")


def described():
    """The machine in a line, for readers of the tables."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores ({model}), {memory:.0f} GiB, "
        f"Linux {platform.release()}; load before: {os.getloadavg()[0]:.2f}"
    )
