"""Who is compared: how each is started, so that it does what the others do and no more."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import Failed, Missing, machine

START_SECONDS_MAX = 120
END_SECONDS_MAX = 30

PACKAGES = {
    "redis-server": "redis-server",
    "nats-server": "nats-server",
    "mosquitto": "mosquitto",
    "nginx": "nginx",
    "stunnel": "stunnel4",
}

# What makes nginx a proxy for any protocol is a package of its own.
NGINX_STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
NGINX_STREAM_PACKAGE = "libnginx-mod-stream"


@dataclass(frozen=True)
class Recipe:
    """How to start a server: the arguments for a port and a directory of its own, in which files may be made.

    One with a backend hands on what it gets to that, which is started first and whose port is a third argument. One
    with TLS finds a certificate and its key in `cert.pem` and `key.pem` of its directory.
    """

    program: str
    protocol: str
    arguments: Callable[..., list]
    backend: "Recipe | None" = None
    tls: bool = False


@dataclass(frozen=True)
class Server:
    """One that listens: its process, and after it those that it hands on to."""

    pids: list
    port: int
    protocol: str
    directory: Path
    tls: bool

    def cpu_seconds(self, counts=lambda thread: True):
        return sum(machine.cpu_seconds(pid, counts) for pid in self.pids)

    def anonymous_bytes(self):
        return sum(machine.anonymous_bytes(pid) for pid in self.pids)

    def connections(self):
        """How many descriptors the last has, which are some more than its connections: a proxy has two for each."""
        return machine.descriptors(self.pids[-1])

    @property
    def certificate(self):
        """The file of it, which a client is to trust."""
        return self.directory / CERTIFICATE


class Place:
    """Where programs are found and data goes."""

    def __init__(self, binaries, data, quick):
        self.binaries, self.data, self.quick = Path(binaries), Path(data), quick
        self.kept = {}

    def program(self, name):
        """The path of a program of ours or of a peer."""
        if name.startswith("forum"):
            path = self.binaries / name
            if path.exists():
                return path
            raise Missing(f"{path} is not there: cargo build --release, or --bin-dir DIR")
        # Daemons are in directories that not every user's PATH has.
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if path:
            return Path(path)
        raise Missing(f"{name} is not installed: apt-get install {PACKAGES[name]}, or --install")

    def has(self, name):
        try:
            return bool(self.program(name))
        except Missing:
            return False

    def prepared(self, name, make):
        """A directory that `make` fills once for all runs."""
        if name not in self.kept:
            directory = self.data / name
            directory.mkdir()
            make(directory)
            self.kept[name] = directory
        return self.kept[name]


CERTIFICATE, KEY = "cert.pem", "key.pem"


def certify(place, directory):
    """Puts a certificate and its key into a directory: P-256, the same for all."""

    def make(directory):
        command = [place.program("forumd"), "tls", "init", directory / "tls"]
        subprocess.run(command, check=True, capture_output=True)

    made = place.prepared("certificate", make) / "tls"
    for name in (CERTIFICATE, KEY):
        shutil.copy(made / name, directory / name)


@contextmanager
def running(place, recipe):
    """A fresh server on core 0, in a fresh directory, and first the one that it hands on to."""
    with ExitStack() as started:
        backend = started.enter_context(running(place, recipe.backend)) if recipe.backend else None
        yield started.enter_context(running_alone(place, recipe, backend))


@contextmanager
def running_alone(place, recipe, backend):
    program = place.program(recipe.program)
    directory = Path(tempfile.mkdtemp(prefix=recipe.program + "-", dir=place.data))
    port = machine.free_port()
    try:
        if recipe.tls:
            certify(place, directory)
        command = [program, *recipe.arguments(port, directory, *([backend.port] if backend else []))]
        with open(directory / "output", "wb") as output:
            process = subprocess.Popen(
                machine.pinned(machine.SERVER_CORE, command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=directory,
            )
        try:
            wait_until_listening(process, port, directory / "output", recipe.program)
            pids = [process.pid, *(backend.pids if backend else [])]
            yield Server(pids, port, recipe.protocol, directory, recipe.tls)
            if process.poll() is not None:
                raise Failed(f"{recipe.program} ended while it was measured: {tail(directory / 'output')}")
        finally:
            end(process)
    finally:
        shutil.rmtree(directory)


def wait_until_listening(process, port, output, name):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"{name} ended at once: {tail(output)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed(f"{name} did not listen within {START_SECONDS_MAX} s: {tail(output)}")


def end(process, by=signal.SIGTERM):
    """Ends a process that we started, in whatever way it takes."""
    if process.poll() is None:
        process.send_signal(by)
    try:
        process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(path):
    return path.read_text(errors="replace").strip()[-500:] or "it said nothing"


def floor(*arguments, before=lambda directory: None):
    """forum-floor; in its arguments, `{}` is its directory, which `before` may put something into."""

    def command(port, directory):
        before(directory)
        return ["--listen", f"127.0.0.1:{port}", *(word.replace("{}", str(directory)) for word in arguments)]

    return Recipe("forum-floor", "echo", command)


def forumd(*arguments, durability="none", users=0, before=lambda directory: None, tls=False):
    """forumd with cheap password hashes; with the accounts that forum-load will ask for, if `users` are given."""

    def command(port, directory):
        before(directory)
        command = ["-q", "--listen", f"127.0.0.1:{port}", "--data", directory / "data", "--durability", durability]
        command += ["--hash-memory-kib", 8, "--hash-iterations", 1, "--hash-queue", 100_000, *arguments]
        if users:
            credentials = directory / "credentials"
            credentials.write_text("".join(f"{user} {PASSWORD}\n" for user in user_names(users)))
            command += ["--credentials", credentials]
        if tls:
            command += ["--tls-cert", directory / CERTIFICATE, "--tls-key", directory / KEY]
        return command

    return Recipe("forumd", "forum", command, tls=tls)


PASSWORD = "load"
PREFIXES = ("load", "more")


def user_names(count):
    """Names as forum-load makes them, of both prefixes that are used here."""
    return (f"{prefix}{number}" for prefix in PREFIXES for number in range(count))


def redis(*arguments):
    """Redis that stores nothing unless told to.

    It never rewrites its log, which spares it work that forumd's checkpoints are measured with, and it never cuts
    off a subscriber for being slow.
    """

    def command(port, directory):
        common = ["--port", port, "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--daemonize", "no"]
        limits = ["--maxclients", 30_000, "--tcp-backlog", 16_384, "--auto-aof-rewrite-percentage", 0]
        unbounded = ["--client-output-buffer-limit", "pubsub", 0, 0, 0]
        return [*common, *limits, *unbounded, "--loglevel", "warning", *(arguments or ("--appendonly", "no"))]

    return Recipe("redis-server", "resp", command)


def nats():
    def command(port, directory):
        return ["--addr", "127.0.0.1", "--port", port]

    return Recipe("nats-server", "nats", command)


def mosquitto():
    def command(port, directory):
        lines = (
            f"listener {port} 127.0.0.1",
            "allow_anonymous true",
            "set_tcp_nodelay true",
            "persistence false",
            "sys_interval 0",
            "log_type none",
            # Nothing is dropped for a receiver that is slow for a moment.
            "max_queued_messages 0",
            # It would become a user who can't look into this directory.
            "user root",
        )
        (directory / "conf").write_text("\n".join(lines) + "\n")
        return ["-c", directory / "conf"]

    return Recipe("mosquitto", "mqtt", command)


NGINX = "daemon off; master_process off; pid pid; error_log stderr; events { worker_connections 20000; }"
NGINX_TLS = f"ssl_certificate {CERTIFICATE}; ssl_certificate_key {KEY}; ssl_protocols TLSv1.3;"


def nginx(before, tls=False):
    """nginx with one process that serves the files which `before` puts into its directory."""

    def command(port, directory):
        before(directory)
        listen = f"listen 127.0.0.1:{port} ssl; {NGINX_TLS}" if tls else f"listen 127.0.0.1:{port};"
        http = f"http {{ access_log off; sendfile on; server {{ {listen} root {directory}; }} }}"
        return nginx_arguments(directory, http)

    return Recipe("nginx", "http", command, tls=tls)


def nginx_arguments(directory, *lines):
    (directory / "conf").write_text("\n".join((*lines, NGINX, "")))
    return ["-p", directory, "-e", "stderr", "-c", directory / "conf"]


def behind_nginx(backend):
    """TLS by nginx, which hands on what is in it."""

    def command(port, directory, backend_port):
        if not NGINX_STREAM_MODULE.exists():
            raise Missing(f"nginx can't proxy TCP: apt-get install {NGINX_STREAM_PACKAGE}")
        listen = f"listen 127.0.0.1:{port} ssl backlog=16384; {NGINX_TLS} tcp_nodelay on;"
        stream = f"stream {{ server {{ {listen} proxy_pass 127.0.0.1:{backend_port}; }} }}"
        return nginx_arguments(directory, f"load_module {NGINX_STREAM_MODULE};", stream)

    return Recipe("nginx", backend.protocol, command, backend, tls=True)


def behind_stunnel(backend):
    """TLS by stunnel, which has a thread for each connection."""

    def command(port, directory, backend_port):
        lines = (
            "foreground = yes",
            "debug = warning",
            "sslVersion = TLSv1.3",
            "socket = l:TCP_NODELAY=1",
            "socket = r:TCP_NODELAY=1",
            "[service]",
            f"accept = 127.0.0.1:{port}",
            f"connect = 127.0.0.1:{backend_port}",
            f"cert = {directory / CERTIFICATE}",
            f"key = {directory / KEY}",
        )
        (directory / "conf").write_text("\n".join(lines) + "\n")
        return [directory / "conf"]

    return Recipe("stunnel", backend.protocol, command, backend, tls=True)
