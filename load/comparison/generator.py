"""forum-load: how it is started, on the core that the servers leave free, and what it says."""

import json
import subprocess
import time
from contextlib import contextmanager

from . import Failed, machine
from .servers import PASSWORD, end, tail

GRACE_SECONDS = 120
UNANSWERED_MAX = 0.1
MISSED_MAX = 0.001
SETTLE_SECONDS_MAX = 120
RESTING_CORES_MAX = 0.05


def load(place, server, scenario, *options, seconds=None):
    """Runs a scenario to its end; returns what its JSON says."""
    seconds = seconds or (1 if place.quick else 5)
    timing = ["--warm-up", "0.5s" if place.quick else "2s", "--duration", f"{seconds}s"]
    path = server.directory / "run.json"
    command = [*_command(place, server, scenario, *timing, *options), "--json", path]
    run = _run(command, seconds + GRACE_SECONDS)
    if run.returncode != 0:
        raise Failed(f"forum-load {scenario}: {(run.stderr or run.stdout).strip()[-500:] or run.returncode}")
    result = json.loads(path.read_text())
    errors, operations, unanswered = result["errors"], result["operations"], result["unanswered"]
    if not operations:
        raise Failed(f"forum-load {scenario}: nothing was answered")
    # A slow server may be in the middle of something when the time is over.
    if errors["total"] or result["lost_connections"] or unanswered > operations * UNANSWERED_MAX:
        raise Failed(f"forum-load {scenario}: errors {errors}, {unanswered} unanswered, and {operations} operations")
    # What was not sent has no latency: without it those that were sent say too little.
    if result["missed"] > result["offered"] * MISSED_MAX:
        raise Failed(f"forum-load {scenario}: {result['missed']} of {result['offered']} requests could not be sent")
    return result


def figures(result):
    """Of what forum-load says, what is compared."""
    found = {"rate": result["operations_per_second"]}
    found |= {f"{name}_us": result["latency_ns"][name] / 1e3 for name in ("p50", "p90")}
    if result["server"]:
        found["cpu_us"] = result["server"]["cpu_us_per_operation"]
    return found


def _command(place, server, scenario, *options):
    program = [place.program("forum-load"), "--protocol", server.protocol, "--quiet"]
    program += ["--server-pid", ",".join(map(str, server.pids))]
    if server.protocol == "forum":
        program += ["--password", PASSWORD]
    if server.tls:
        program += ["--tls-ca", server.certificate]
    return machine.pinned(machine.GENERATOR_CORE, [*program, *options, scenario, f"127.0.0.1:{server.port}"])


def _run(command, deadline):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=deadline, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Failed(f"no end within {deadline} s: {' '.join(command)}") from None


@contextmanager
def connected(place, server, count, *options, rest_seconds=2):
    """Holds so many more connections, logged in, once the server has been at rest with them for a while."""
    before = _steady_connections(server)
    hold = ["--connections", count, "--duration", f"{4 * SETTLE_SECONDS_MAX}s", *options]
    output = server.directory / f"connect-{before}"
    with open(output, "wb") as file:
        command = _command(place, server, "connect", *hold)
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        _wait_until_settled(process, server, before + count, output, rest_seconds)
        yield
    finally:
        end(process)


def _steady_connections(server):
    """How many it has once it has noticed who went: a check whether it listens, for instance."""
    seen = []
    while len(seen) < 3 or len(set(seen[-3:])) > 1:
        seen.append(server.connections())
        if len(seen) > 100:
            raise Failed(f"{server.protocol} opens and closes descriptors all the time")
        time.sleep(0.1)
    return seen[-1]


def _wait_until_settled(process, server, connections, output, rest_seconds):
    """Until all are there, and the server neither works nor changes its memory any more.

    Some never rest: what a timer or a garbage collector does all the time is no sign of unrest.
    """
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while time.monotonic() < deadline:
        cpu, memory = server.cpu_seconds(), server.anonymous_bytes()
        time.sleep(rest_seconds)
        if process.poll() is not None:
            raise Failed(f"forum-load connect ended: {tail(output)}")
        rests = server.cpu_seconds() - cpu < RESTING_CORES_MAX * rest_seconds
        steady = abs(server.anonymous_bytes() - memory) <= memory / 100
        missing = connections - server.connections()
        if rests and steady and missing <= 0:
            return
    state = f"{missing} connections missing" if missing > 0 else "it works on" if not rests else "its memory changes"
    raise Failed(f"{server.protocol} did not come to rest within {SETTLE_SECONDS_MAX} s: {state}. {tail(output)}")
