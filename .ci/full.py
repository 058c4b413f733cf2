"""Three kv processes, each on a small disk of its own, under load until the disks are full.

    full.py KV DIRECTORY

DIRECTORY/1 to DIRECTORY/3 are mounts of 96 MiB. A writer sets keys to rising numbers; what
was acknowledged is read back from every node at the end of each part.

1. Through each disk goes several times what it holds: logs are compacted early, and give back room.
2. Another file takes the room on all disks, under load. Commands are refused, with an error that
   says why; no node dies, and reads go on. Without that file, so do commands.
3. A follower's disk is filled to its last byte, under load: it gives up its reserve, and goes on in
   that. What it gave up is taken, too: it lags, and lives. With room it catches up.
4. All nodes are killed, all disks filled to the last byte, and the nodes started: nothing is lost.
5. Without limits and a reserve, a node whose disk is filled stops, and says why; the others go on.
   With room it starts again, and catches up.

| variable | meaning |
|---|---|
| `KV_PORT` | the ports begin behind this |
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

BASE = int(os.environ.get("KV_PORT", "27379"))
NODES = (1, 2, 3)
MIB = 1 << 20
# Of each disk: warn below the first, refuse below the second, and keep the third beside an image.
SCARCE, FULL, RESERVE = 40, 20, 8
KEYS, VALUE, PIPELINE = 500, 8192, 16
# A command without an answer may be executed for so long; its key is left alone meanwhile.
QUARANTINE = 6


# The processes, by number.
NODES_UP = {}


def fail(what):
    """From any thread."""
    print(f"FAILED: {what}", flush=True)
    end()
    os._exit(1)


def end():
    for node in NODES_UP.values():
        node.kill()
        node.wait()


def words(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def connect(id):
    return socket.create_connection(("127.0.0.1", BASE + id), timeout=30)


def ask(id, line):
    with connect(id) as stream:
        stream.sendall(line.encode() + b"\r\nQUIT\r\n")
        return b"".join(iter(lambda: stream.recv(65536), b"")).decode()


def info(id):
    """What a node says of itself; nothing if it is not there."""
    try:
        lines = ask(id, "INFO").split("\r\n")
    except OSError:
        return {}
    return dict(line.split(":", 1) for line in lines if ":" in line)


def number(id, field):
    return int(info(id).get(field, 0))


def wait_for(what, condition, seconds=60):
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            for id in NODES:
                says = info(id)
                print(id, {field: says[field] for field in says if "disk" in field or "index" in field})
            fail(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)


class Cluster:
    def __init__(self, kv, directory):
        self.kv, self.directory, self.nodes = kv, directory, NODES_UP
        for id in NODES:
            # On a disk that is full there may be no place for a file without a byte.
            open(f"{self.disk(id)}/another", "wb").close()
            self.start(id)

    def disk(self, id):
        return f"{self.directory}/{id}"

    def command(self, id, limits):
        scarce, full, reserve = limits
        command = [self.kv, "--id", str(id), "--data", f"{self.disk(id)}/data", "--election-ms", "300-600"]
        command += ["--scarce-below", str(scarce), "--full-below", str(full), "--reserve", str(reserve)]
        command += ["--compact-at", str(64 * MIB), "--keep-entries", "1000"]
        for peer in NODES:
            command += ["--peer", f"{peer}=127.0.0.1:{BASE + peer}@{BASE + 1000 + peer}"]
        return command

    def start(self, id, limits=(SCARCE, FULL, RESERVE)):
        with open(f"{self.directory}/{id}.log", "a") as log:
            self.nodes[id] = subprocess.Popen(self.command(id, limits), stderr=log)

    def up(self, *ids):
        for id in ids or NODES:
            wait_for(f"node {id} is up", lambda: info(id) or self.live())

    def live(self):
        for id, node in self.nodes.items():
            if node.poll() is not None:
                fail(f"node {id} has ended by itself: {node.returncode}")

    def kill(self, *ids):
        for id in ids:
            self.nodes[id].kill()
            self.nodes[id].wait()

    def free(self, id):
        stat = os.statvfs(self.disk(id))
        return stat.f_bavail * stat.f_frsize

    def take(self, id, leave):
        """Another file takes the room on a disk but for so many bytes; 0 is to the last one."""
        with open(f"{self.disk(id)}/another", "ab", buffering=0) as file:
            while (rest := self.free(id) - leave) > 0:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, 2), max(4096, min(rest, MIB)))
                except OSError:
                    break
            if leave == 0:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass

    def give_back(self, *ids):
        for id in ids:
            os.truncate(f"{self.disk(id)}/another", 0)

    def reserve(self, id):
        """The bytes on the disk that the reserve has."""
        return os.stat(f"{self.disk(id)}/data/reserve").st_blocks * 512

    def log(self, id):
        with open(f"{self.directory}/{id}.log") as log:
            return log.read()

    def tell(self, what):
        print(f"--- {what}", flush=True)
        for id in NODES:
            says = info(id)
            print(
                f"    {id} {says.get('role', 'down'):8} disk free {self.free(id) / MIB:5.1f} MiB, "
                f"reserve {self.reserve(id) / MIB:4.1f}, room {says.get('disk_room')} "
                f"{int(says.get('disk_room_bytes', 0)) / MIB:5.1f}, log {says.get('first_log_index')}-"
                f"{says.get('last_log_index')}, images {says.get('images_written')}, "
                f"declined {says.get('appends_declined')}",
                flush=True,
            )


class Load:
    """One writer, on any node that answers."""

    def __init__(self):
        self.acknowledged, self.asked = [0] * KEYS, [0] * KEYS
        self.open, self.rests_until = [set() for _ in range(KEYS)], [0.0] * KEYS
        self.done, self.refused, self.refusal = 0, 0, b""
        self.resume, self.resting = threading.Event(), threading.Event()
        threading.Thread(target=self.write, daemon=True).start()

    def write(self):
        stream, at, id = None, 0, 0
        while True:
            if not self.resume.is_set():
                self.resting.set()
                self.resume.wait()
            if stream is None:
                id = id % len(NODES) + 1
                try:
                    raw = connect(id)
                except OSError:
                    time.sleep(0.02)
                    continue
                stream = (raw, raw.makefile("rb"))
            now, chosen = time.monotonic(), []
            for _ in range(2 * PIPELINE):
                if self.rests_until[at] < now:
                    chosen.append(at)
                at = (at + 1) % KEYS
                if len(chosen) == PIPELINE:
                    break
            if not self.pipeline(stream, chosen):
                stream[0].close()
                stream = None

    def pipeline(self, stream, keys):
        """Whether the connection is of use still."""
        for key in keys:
            self.asked[key] += 1
        answered = 0
        try:
            stream[0].sendall(
                b"".join(words("SET", f"k{key}", b"%d " % self.asked[key] + b"x" * VALUE) for key in keys)
            )
            for key in keys:
                line = stream[1].readline()
                if not line:
                    raise EOFError
                answered += 1
                if line == b"+OK\r\n":
                    self.acknowledged[key] = self.asked[key]
                    self.open[key].clear()
                    self.done += 1
                elif line.startswith(b"-MISCONF not executed"):
                    self.refused, self.refusal = self.refused + 1, line
                elif line.startswith(b"-UNCERTAIN"):
                    self.leave(key)
                elif not line.startswith(b"-CLUSTERDOWN not executed"):
                    fail(f"an answer that nobody expects: {line}")
        except (OSError, EOFError):
            for key in keys[answered:]:
                self.leave(key)
            return False
        return True

    def leave(self, key):
        self.open[key].add(self.asked[key])
        self.rests_until[key] = time.monotonic() + QUARANTINE

    def rest(self):
        self.resting.clear()
        self.resume.clear()
        self.resting.wait()
        if any(self.open):
            time.sleep(QUARANTINE)

    def go_on(self):
        self.resume.set()

    def goes_on(self, what, count=400):
        before = self.done
        wait_for(f"writes go on {what}", lambda: self.done > before + count)

    def is_refused(self, what):
        before = self.refused
        wait_for(f"writes are refused {what}", lambda: self.refused > before)

    def read_all(self, ids=NODES):
        for id in ids:
            for first in range(0, KEYS, 100):
                keys = range(first, min(first + 100, KEYS))
                values = []
                wait_for(f"node {id} reads", lambda: values.extend(get_many(id, keys)) or values)
                for key, value in zip(keys, values):
                    held = int(value.split(b" ")[0]) if value else 0
                    if held != self.acknowledged[key] and held not in self.open[key]:
                        fail(f"LOST: k{key} holds {held} on node {id}; acknowledged is {self.acknowledged[key]}")
        print(f"    all {KEYS} keys hold what was acknowledged, read from nodes {ids}", flush=True)


def entries(id):
    says = info(id)
    return int(says.get("last_log_index", 0)) - int(says.get("first_log_index", 0)) + 1


def get_many(id, keys):
    try:
        with connect(id) as raw, raw.makefile("rb") as stream:
            raw.sendall(words("MGET", *(f"k{key}" for key in keys)))
            if stream.readline() != b"*%d\r\n" % len(keys):
                return []
            values = []
            for _ in keys:
                length = int(stream.readline()[1:])
                values.append(None if length < 0 else stream.read(length + 2)[:-2])
            return values
    except (OSError, ValueError):
        return []


def leader():
    leads = []
    wait_for("a leader", lambda: leads.extend(id for id in NODES if info(id).get("role") == "leader") or leads)
    return leads[0]


def flows_through(cluster, load):
    load.go_on()
    wait_for("more than a disk holds is written", lambda: cluster.live() or load.done * VALUE > 110 * MIB, 120)
    load.rest()
    cluster.tell(f"{load.done * VALUE // MIB} MiB went through each disk; {load.refused} refused")
    for id in NODES:
        if "the log is compacted early" not in cluster.log(id):
            fail(f"node {id} did not compact its log early")
        wait_for(f"node {id} has its reserve", lambda: cluster.reserve(id) >= RESERVE * MIB)
    load.read_all()


def is_refused(cluster, load):
    load.go_on()
    for id in NODES:
        cluster.take(id, (FULL - 2) * MIB)
    load.is_refused("where another file takes the room")
    time.sleep(2)
    cluster.live()
    cluster.tell(f"another file has taken the room: {load.refusal.decode().strip()}")
    load.rest()
    load.read_all()
    cluster.give_back(*NODES)
    load.go_on()
    load.goes_on("once there is room again")
    load.rest()
    for id in NODES:
        warned = cluster.log(id).count("the store is full")
        print(f"    node {id} said {warned} times that its store is full", flush=True)
        if warned > 2:
            fail("the log says it again and again")
    cluster.tell("room again")


def lags(cluster, load):
    follower = next(id for id in NODES if id != leader())
    for attempt in range(20):
        cluster.take(follower, 0)
        if attempt > 0 and cluster.reserve(follower) == 0 and cluster.free(follower) <= 4096:
            break
        load.go_on()
        wait_for("it gives up its reserve", lambda: cluster.live() or cluster.reserve(follower) == 0)
        load.goes_on("while it compacts in what its reserve has left")
        load.rest()
    cluster.tell(f"follower {follower} has given up its reserve, and that is taken, too")
    # Some looks later it knows.
    time.sleep(1)
    dropped = number(follower, "appends_declined")
    load.go_on()
    load.goes_on("without the follower", 800)
    cluster.live()
    cluster.tell(f"follower {follower} lags")
    if number(follower, "appends_declined") == dropped:
        fail("the follower has dropped no entries")
    load.rest()
    cluster.give_back(follower)
    committed = max(number(id, "commit_index") for id in NODES)
    wait_for("the follower catches up", lambda: number(follower, "applied_index") >= committed)
    wait_for("it has its reserve again", lambda: cluster.reserve(follower) >= RESERVE * MIB)
    load.read_all((follower,))


def starts(cluster, load):
    load.go_on()
    load.goes_on("before all disks are full")
    load.rest()
    wait_for("all have their reserves", lambda: all(cluster.reserve(id) >= RESERVE * MIB for id in NODES))
    cluster.kill(*NODES)
    for id in NODES:
        cluster.take(id, 0)
        if cluster.free(id) > 4096:
            fail(f"{cluster.free(id)} bytes are free on the disk of node {id}")
    cluster.tell("all disks are full to the last byte")
    for id in NODES:
        cluster.start(id)
    cluster.up()
    leader()
    # Whose log is worth it.
    wait_for(
        "they compact on full disks",
        lambda: cluster.live() or all(number(id, "images_written") > 0 or entries(id) * VALUE < 8 * MIB for id in NODES),
    )
    cluster.tell("started on full disks, and compacted")
    load.read_all()
    cluster.live()
    cluster.give_back(*NODES)
    load.go_on()
    load.goes_on("after a start on full disks")
    load.rest()
    load.read_all()
    cluster.tell("room again")


def stops(cluster, load):
    follower = next(id for id in NODES if id != leader())
    cluster.kill(follower)
    cluster.start(follower, (0, 0, 0))
    cluster.up(follower)
    wait_for("it has no reserve", lambda: cluster.reserve(follower) == 0)
    load.go_on()
    load.goes_on("before its disk is full")
    cluster.take(follower, 0)
    wait_for("it has stopped", lambda: cluster.nodes[follower].poll() is not None)
    said = cluster.log(follower).strip().split("\n")[-1]
    if "the disk is full. Nothing that was acknowledged is lost" not in said:
        fail(f"it has stopped, and did not say why: {said}")
    print(f"    node {follower} has stopped: {said}", flush=True)
    load.goes_on("without it")
    load.rest()
    cluster.give_back(follower)
    cluster.start(follower)
    cluster.up()
    committed = max(number(id, "commit_index") for id in NODES)
    wait_for("it catches up", lambda: number(follower, "applied_index") >= committed)
    cluster.live()
    load.read_all()


def main():
    signal.signal(signal.SIGTERM, lambda *_: fail("it was ended"))
    cluster = Cluster(*sys.argv[1:3])
    try:
        cluster.up()
        load = Load()
        for part in (flows_through, is_refused, lags, starts, stops):
            began = time.monotonic()
            part(cluster, load)
            print(f"=== {part.__name__}: {time.monotonic() - began:.0f} s", flush=True)
        print("all well")
    finally:
        end()


main()
