"""Whether operations stay as cheap in a forum of a million messages as in an empty one."""

import json
import shutil
import subprocess
import time

from . import Failed, servers
from .forum import CREATE_THREAD, Session, delete, edit, frame, line, message, post, read, string

POSTS, ACCOUNTS = 1_000_000, 100_000
# What the "empty" one holds: there must be something to edit and delete.
FEW_POSTS, FEW_ACCOUNTS = 4_000, 200
LONG, SHORTER_POSTS = "long", 1_000
AT_ONCE, PAGE_POSTS = 32, 20
TEXT = "x" * 100
IMPORT_SECONDS_MAX = 600
# Each of its own account, as everybody is online only once.
LOGINS = 100


def make(place, posts, accounts):
    """The data of a forum: half of the messages in one thread, the others in many."""

    def write(directory):
        records = directory / "export"
        (records / "files").mkdir(parents=True)
        with open(records / "forum.jsonl", "w") as file:
            count = 0
            for count, record in enumerate(forum(posts, accounts, hash_of(place)), 1):
                file.write(json.dumps(record) + "\n")
            file.write(json.dumps({"end": {"records": count}}) + "\n")
        command = [place.program("forumd"), "import", records, "--data", directory / "data"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_SECONDS_MAX)
        if run.returncode != 0:
            raise Failed(f"forumd import: {run.stderr.strip()}")
        shutil.rmtree(records)

    return place.prepared(f"forum-{posts}-{accounts}", write) / "data"


def hash_of(place):
    """The hash of the password that all accounts have, made by forumd itself."""

    def write(directory):
        recipe = servers.forumd(users=1)
        with servers.running(place, recipe) as server:
            command = [place.program("forumd"), "export", directory / "out", "--data", server.directory / "data"]
            subprocess.run(command, check=True, capture_output=True, timeout=IMPORT_SECONDS_MAX)

    lines = (place.prepared("hash", write) / "out" / "forum.jsonl").read_text().splitlines()
    return next(record["account"]["hash"] for record in map(json.loads, lines) if "account" in record)


def forum(posts, accounts, password_hash):
    threads = [(LONG, posts // 2)]
    threads += [(f"thread{n}", SHORTER_POSTS) for n in range(posts // 2 // SHORTER_POSTS)]
    yield {"forum": {"at_ms": int(time.time() * 1e3), "next_thread": len(threads) + 1}}
    for number in range(accounts):
        yield {"account": {"name": f"user{number}", "hash": password_hash}}
    for number, (title, count) in enumerate(threads, 1):
        yield {"thread": {"id": number, "title": title, "creator": "user0"}}
        for _ in range(count):
            yield {"post": {"author": "user0", "text": TEXT}}


def operations(posts):
    """Each operation by its name: the requests, each of which succeeds when the ones before it have."""
    last, count, deletions = posts // 2, 3_200, 500
    middle = last // 2
    yield "edit first", [edit(LONG, 1, TEXT)] * count
    yield "edit middle", [edit(LONG, middle, TEXT)] * count
    yield "edit last", [edit(LONG, last, TEXT)] * count
    yield "read a page", [read(LONG, middle, middle + PAGE_POSTS - 1)] * count
    yield "message", [message("user1", TEXT)] * count
    yield "delete first", [delete(LONG, 1)] * deletions
    last -= deletions
    yield "delete last", [delete(LONG, last - n) for n in range(deletions)]
    last -= deletions
    yield "delete middle", [delete(LONG, last // 2)] * deletions
    yield "post", [post(LONG, TEXT)] * count
    yield "create thread", [frame(CREATE_THREAD, string(f"new{n}")) for n in range(count)]


OPERATIONS = [name for name, _ in operations(FEW_POSTS)] + ["log in"]


def measure(posts):
    """Microseconds of the server's CPU for each operation, 32 at a time, in a forum that had `posts` messages."""

    def measured(place, server):
        with Session(line(server.port), "user0", servers.PASSWORD) as session:
            found = {
                name: per_request(server, requests, lambda some: session.ask(*some))
                for name, requests in operations(scaled(place, posts))
            }
        return found | {"log in": logins(server)}

    return measured


def per_request(server, requests, ask):
    before = server.cpu_seconds()
    for start in range(0, len(requests), AT_ONCE):
        ask(requests[start : start + AT_ONCE])
    return (server.cpu_seconds() - before) * 1e6 / len(requests)


def logins(server):
    """One after the other, each staying until all are in; hashing left out."""
    before = server.cpu_seconds(no_hashing)
    sessions = [Session(line(server.port), f"user{number}", servers.PASSWORD) for number in range(2, 2 + LOGINS)]
    cpu = (server.cpu_seconds(no_hashing) - before) * 1e6 / LOGINS
    for session in sessions:
        session.__exit__()
    return cpu


def no_hashing(thread):
    """forumd hashes passwords in threads of their own, which do nothing else."""
    return not thread.startswith("passwords")


def forumd_with(posts, accounts):
    """forumd with a copy of such a forum, which is made once for all runs."""

    def recipe(place):
        data = make(place, *(scaled(place, count) for count in (posts, accounts)))
        return servers.forumd(before=lambda directory: shutil.copytree(data, directory / "data"))

    return recipe


def scaled(place, count):
    return max(count // 10, min(count, FEW_POSTS)) if place.quick else count
