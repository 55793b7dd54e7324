"""What is compared: a table of rows, each with who takes part, what is asked of them, and what is aimed at."""

from dataclasses import dataclass
from statistics import median
from typing import Callable

from . import growth, sessions, transfers
from .generator import figures, load
from .servers import behind_nginx, behind_stunnel, floor, forumd, mosquitto, nats, nginx, redis
from .tables import METRICS, number, ratio

CONNECTIONS = ("--connections", 50)
PAYLOAD = ("--size", 100)


@dataclass(frozen=True)
class Contestant:
    label: str
    recipe: Callable  # of the place
    measure: Callable  # of the place and the running server; gives numbers by their metric


@dataclass(frozen=True)
class Target:
    """That a metric is at most so much, or that many times another's; or at least."""

    metric: str
    limit: float
    of: str | None = None
    least: bool = False
    who: str = "forumd"

    def text(self):
        sign = "≥" if self.least else "≤"
        name = f"{self.who}, {METRICS.get(self.metric, self.metric)}"
        return f"{name} {sign} {self.limit:g} × {self.of}" if self.of else f"{name} {sign} {self.limit:g}"

    def judge(self, row, measured):
        try:
            value = median(measured[self.who][self.metric])
            base = median(measured[self.of][self.metric]) if self.of else None
        except KeyError:
            return Verdict(row.key, self.text(), "", None)
        figure = value / base if base else value
        met = figure >= self.limit if self.least else figure <= self.limit
        return Verdict(row.key, self.text(), ratio(figure) if base else number(figure), met)


@dataclass(frozen=True)
class Verdict:
    row: str
    target: str
    measured: str
    met: bool | None

    @property
    def word(self):
        return {True: "yes", False: "**no**", None: "not measured"}[self.met]


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    metric: str  # which of those measured is compared
    contestants: tuple
    targets: tuple

    def labels(self):
        return [contestant.label for contestant in self.contestants]


def asked(scenario, *options):
    """What forum-load says of a scenario."""
    return lambda place, server: figures(load(place, server, scenario, *options))


def alike(measure, **recipes):
    """All asked the same."""
    return tuple(
        Contestant(label, lambda place, recipe=recipe: recipe, measure) for label, recipe in recipes.items()
    )


def ping(depth):
    return Row(
        f"ping-{depth}",
        f"ping, {depth} in flight on each of 50 connections",
        "cpu_us",
        alike(
            asked("ping", *CONNECTIONS, "--pipeline", depth),
            floor=floor("echo"),
            redis=redis(),
            nats=nats(),
            mosquitto=mosquitto(),
            forumd=forumd(),
        ),
        (Target("cpu_us", 1.0, "redis"),),
    )


# (durability, the floor's, Redis' options, and of which metric forumd is to be how many times Redis' at depth 1, 32)
DURABILITIES = (
    ("none", ("--appendonly", "no"), "cpu_us", (1.0, 1.5)),
    ("interval", ("--appendonly", "yes", "--appendfsync", "everysec"), "cpu_us", (1.0, 0.9)),
    ("always", ("--appendonly", "yes", "--appendfsync", "always"), "rate", (1.25, 1.5)),
)


def stored(durability, redis_options):
    """Those who store a post, equally durably. More posts come than one forumd thread takes by default."""
    return {
        "floor": floor("echo", "--log", "{}/log", "--sync", durability),
        "redis": redis(*redis_options),
        "forumd": forumd("--max-posts", 100_000_000, durability=durability),
    }


def posts():
    for durability, redis_options, metric, limits in DURABILITIES:
        for depth, limit in zip((1, 32), limits):
            yield Row(
                f"post-{durability}-{depth}",
                f"posts of 100 bytes, durability {durability}, {depth} in flight on each of 50 connections",
                metric,
                alike(
                    asked("post", *CONNECTIONS, *PAYLOAD, "--pipeline", depth),
                    **stored(durability, redis_options),
                ),
                (Target(metric, limit, "redis", least=metric == "rate"),),
            )


def delivered(receivers, burst):
    def measure(place, server):
        # A quick look does not wait for ten thousand log-ins.
        count = min(receivers, 1_000) if place.quick else receivers
        found = figures(load(place, server, "fanout", "--connections", count, "--burst", burst, *PAYLOAD))
        return {"delivery_ns": found["cpu_us"] * 1e3, "rate": found["rate"]}

    return measure


def fanout(receivers, burst, limit):
    return Row(
        f"fanout-{receivers}-{burst}",
        f"one speaks to {receivers:,}, {burst} at a time",
        "delivery_ns",
        alike(
            delivered(receivers, burst),
            floor=floor("fan"),
            redis=redis(),
            nats=nats(),
            mosquitto=mosquitto(),
            forumd=forumd(users=receivers),
        ),
        (Target("delivery_ns", limit, "floor"),),
    )


def others(forumd_recipe):
    return {"redis": redis(), "nats": nats(), "mosquitto": mosquitto(), "forumd": forumd_recipe}


def idle():
    return Row(
        "idle",
        "memory of 15,000 idle connections, logged in to accounts that were there before",
        "connection_bytes",
        alike(sessions.idle_memory(15_000), floor=floor("echo"), **others(forumd(users=15_000))),
        (Target("connection_bytes", 300),),
    )


def accounts():
    # As many with each of the two prefixes.
    return Row(
        "accounts",
        "memory of 200,000 accounts, imported at this start",
        "account_bytes",
        alike(sessions.account_memory(200_000), forumd=forumd(users=100_000)),
        (Target("account_bytes", 250),),
    )


def login():
    return Row(
        "login",
        "5,000 log-ins (MQTT: CONNECT; Redis: HELLO; the floor: a connection and an echo)",
        "login_us",
        alike(sessions.login(5_000), floor=floor("echo"), **others(forumd(users=5_000))),
        (Target("login_us", 20),),
    )


def open_loop():
    durability, redis_options, *_ = DURABILITIES[1]

    def measure(place, server):
        idle = ("--idle", 1_000 if place.quick else 10_000)
        found = figures(load(place, server, "post", *CONNECTIONS, *idle, *PAYLOAD, "--rate", 2_000))
        return {name: found[name] for name in ("p50_us", "p90_us", "cpu_us")}

    recipes = stored(durability, redis_options) | {"forumd": forumd(durability=durability, users=10_050)}
    return Row(
        "open-loop",
        "2,000 posts a second, durability interval, over 50 connections beside 10,000 idle ones",
        "p50_us",
        alike(measure, **recipes),
        (Target("p50_us", 1.3, "floor"), Target("p90_us", 1.3, "floor")),
    )


# What a server with few connections could afford to send at once; the floor's own 64 KiB are what a frame holds.
LARGE_PIECES = ("--piece-kib", "1024")


def download():
    file = transfers.write_file
    return Row(
        "download",
        "download of 1 GiB",
        "cpu_s_gb",
        (
            Contestant("floor", lambda place: floor("send", "{}/file", before=file(place)), transfers.from_floor),
            Contestant(
                "floor (1 MiB)",
                lambda place: floor("send", *LARGE_PIECES, "{}/file", before=file(place)),
                transfers.from_floor,
            ),
            Contestant(
                "floor (1 MiB, sendfile)",
                lambda place: floor("send", "--sendfile", *LARGE_PIECES, "{}/file", before=file(place)),
                transfers.from_floor,
            ),
            Contestant("nginx", lambda place: nginx(file(place)), transfers.from_nginx),
            Contestant("forumd", lambda place: forumd(), transfers.from_forumd),
        ),
        (Target("cpu_s_gb", 1.15, "floor"),),
    )


def upload():
    return Row(
        "upload",
        "upload of 1 GiB, digested and synced",
        "cpu_s_gb",
        (
            Contestant("floor", lambda place: floor("receive", "--blake3", "{}"), transfers.to_floor),
            Contestant("floor (no digest)", lambda place: floor("receive", "{}"), transfers.to_floor),
            Contestant("forumd", lambda place: forumd(), transfers.to_forumd),
        ),
        (Target("cpu_s_gb", 1.15, "floor"),),
    )


def beside():
    labels = {"none": "forumd", "down": "forumd (downloads)", "up": "forumd (uploads)"}
    return Row(
        "beside",
        "another's ping, 1,000 a second, beside transfers of 1 GiB",
        "p90_us",
        tuple(
            Contestant(label, lambda place: forumd("--max-user-file-bytes", 1 << 40), transfers.ping_beside(direction))
            for direction, label in labels.items()
        ),
        tuple(Target("p90_us", 2.0, "forumd", who=labels[direction]) for direction in ("down", "up")),
    )


def grown():
    empty = Contestant(
        "forumd (empty)",
        growth.forumd_with(growth.FEW_POSTS, growth.FEW_ACCOUNTS),
        growth.measure(growth.FEW_POSTS),
    )
    large = Contestant(
        "forumd (large)", growth.forumd_with(growth.POSTS, growth.ACCOUNTS), growth.measure(growth.POSTS)
    )
    return Row(
        "growth",
        "CPU µs an operation in an empty forum, and in one of 1,000,000 messages and 100,000 accounts",
        "operation",
        (empty, large),
        tuple(Target(name, 2.0, empty.label, who=large.label) for name in growth.OPERATIONS),
    )


def with_tls(key, title, metric, measure, users=0, targets=()):
    """forumd and Redis as they are, forumd with TLS, and what would be put in front of Redis for it."""
    recipes = {
        "forumd": forumd("--max-posts", 100_000_000, users=users),
        "forumd, TLS": forumd("--max-posts", 100_000_000, users=users, tls=True),
        "redis": redis(),
        "nginx + redis": behind_nginx(redis()),
        "stunnel + redis": behind_stunnel(redis()),
    }
    return Row(f"tls-{key}", f"TLS: {title}", metric, alike(measure, **recipes), targets)


def tls_rows():
    for depth in (1, 32):
        options = (*CONNECTIONS, "--pipeline", depth)
        title = f"{depth} in flight on each of 50 connections"
        yield with_tls(f"ping-{depth}", f"ping, {title}", "cpu_us", asked("ping", *options))
        yield with_tls(f"post-{depth}", f"posts of 100 bytes, {title}", "cpu_us", asked("post", *options, *PAYLOAD))
    for burst in (1, 16):
        title = f"one speaks to 1,000, {burst} at a time"
        yield with_tls(f"fanout-1000-{burst}", title, "delivery_ns", delivered(1_000, burst), users=1_000)
    # A proxy has two descriptors for each connection, and stunnel a thread.
    at_most = (Target("connection_bytes", 12 << 10, who="forumd, TLS"),)
    title = "memory of 5,000 idle connections, logged in"
    yield with_tls("idle", title, "connection_bytes", sessions.idle_memory(5_000), 5_000, at_most)
    yield with_tls("login", "2,000 connections and log-ins", "login_us", sessions.login(2_000), 2_000)
    yield tls_download()


def tls_download():
    file = transfers.write_file
    return Row(
        "tls-download",
        "TLS: download of 1 GiB",
        "cpu_s_gb",
        (
            Contestant("forumd", lambda place: forumd(), transfers.from_forumd),
            Contestant("forumd, TLS", lambda place: forumd(tls=True), transfers.from_forumd),
            Contestant("nginx", lambda place: nginx(file(place)), transfers.from_nginx),
            Contestant("nginx, TLS", lambda place: nginx(file(place), tls=True), transfers.from_nginx),
        ),
        (Target("cpu_s_gb", 1.5, "nginx, TLS", who="forumd, TLS"),),
    )


ROWS = (
    ping(1),
    ping(32),
    *posts(),
    *(fanout(receivers, burst, limit) for receivers in (1_000, 10_000) for burst, limit in ((1, 1.1), (16, 1.4))),
    idle(),
    accounts(),
    login(),
    open_loop(),
    download(),
    upload(),
    beside(),
    grown(),
    *tls_rows(),
)


def validity(measured):
    """Redis' ping costs a known multiple of the floor's. Where it does not, the machine or the pinning is odd."""
    for key, least, most in (("ping-1", 1.05, 1.2), ("ping-32", 2.5, 3.3)):
        found = measured.get(key, {})
        if "floor" not in found or "redis" not in found:
            continue
        factor = median(found["redis"]["cpu_us"]) / median(found["floor"]["cpu_us"])
        told = f"`{key}`: Redis costs {factor:.2f} × the floor; expected are {least} to {most}"
        yield (least <= factor <= most, told)
