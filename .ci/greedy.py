"""One ordinary client of three kv processes, beside clients that take what they can get.

    greedy.py KV DIRECTORY

In turns of some seconds the ordinary client works alone and beside the others, so that what else
the machine does meets both. It must keep half of its commits, on the leader and on a follower, and
no node may come to 512 MiB. What only depends on speed is measured again before it fails: a busy
machine must not decide.
"""

import functools
import itertools
import multiprocessing
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time

BASE = int(os.environ.get("KV_PORT", "24379"))
SECONDS = float(os.environ.get("KV_SECONDS", "1"))
ROUNDS = int(os.environ.get("KV_ROUNDS", "3"))
IDLE = int(os.environ.get("KV_IDLE", "5000"))
MEGABYTES = 300
MOST = 512 * 1024 * 1024


def words(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def ask(port, line):
    with connect(port) as stream:
        stream.sendall(line.encode() + b"\r\nQUIT\r\n")
        return b"".join(iter(lambda: stream.recv(65536), b"")).decode()


class OfSpeed(str):
    """A failure that a busy machine may explain."""


class Ordinary:
    """Sets a key, waits for the answer, and so on."""

    def __init__(self, port):
        self.stream = connect(port)

    def commits(self, seconds):
        """How many are answered in a second."""
        request, began, count = words("SET", "ordinary", "x" * 16), time.monotonic(), 0
        while time.monotonic() < began + seconds:
            self.stream.sendall(request)
            answer = self.stream.recv(256)
            assert answer == b"+OK\r\n", answer
            count += 1
        return count / (time.monotonic() - began)


def never_reads(port, said):
    """1,024 GETs of a megabyte, of which no reply is read; again when it is cut off."""
    while True:
        stream = connect(port)
        stream.sendall(words("GET", "megabyte") * 1024)
        # It notices the end of the connection by writing.
        try:
            while True:
                time.sleep(0.5)
                stream.sendall(b"\r\n")
        except OSError:
            said.value += 1


def pipelines(port, said, request):
    """Sends as much as it can."""
    stream = connect(port)

    def read():
        while got := stream.recv(1 << 16):
            said.value += got.count(b"+OK")

    threading.Thread(target=read, daemon=True).start()
    while True:
        stream.sendall(request)


def megabytes(port, said):
    pipelines(port, said, words("SET", "large", b"v" * 1_000_000))


def small_sets(port, said):
    pipelines(port, said, b"".join(words("SET", f"small{number}", "v") for number in range(5000)))


class Others:
    """Greedy clients, each a process of its own."""

    def __init__(self, kinds, ports):
        self.said = [multiprocessing.Value("q", 0) for _ in kinds]
        self.clients = [
            multiprocessing.Process(target=kind, args=(ports[at % len(ports)], said), daemon=True)
            for at, (kind, said) in enumerate(zip(kinds, self.said))
        ]
        for client in self.clients:
            client.start()

    def end(self):
        for client in self.clients:
            client.kill()
            client.join()
        return [said.value for said in self.said]


class Cluster:
    def __init__(self, kv, directory):
        self.nodes = {}
        self.peak = 0
        peers = []
        for id in (1, 2, 3):
            peers += ["--peer", f"{id}=127.0.0.1:{BASE + id}@{BASE + 1000 + id}"]
        for id in (1, 2, 3):
            log = open(f"{directory}/{id}.log", "w")
            command = [kv, "--id", str(id), "--data", f"{directory}/{id}", "--election-ms", "1000-2000"]
            self.nodes[id] = subprocess.Popen(command + peers, stderr=log)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            self.peak = max([self.peak, *map(self.resident, self.nodes)])
            time.sleep(0.05)

    def resident(self, id):
        try:
            with open(f"/proc/{self.nodes[id].pid}/status") as status:
                return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
        except OSError:
            return 0

    def leader(self):
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            for id in self.nodes:
                try:
                    if "role:leader" in ask(BASE + id, "INFO raft"):
                        return id
                except OSError:
                    pass
            time.sleep(0.1)
        sys.exit("no leader")

    def end(self):
        """Which nodes had ended by themselves."""
        ended = [f"node {id} has ended" for id, node in self.nodes.items() if node.poll() is not None]
        for node in self.nodes.values():
            node.kill()
            node.wait()
        return ended


def side_by_side(name, cluster, ordinary, begin):
    """`begin` lets the others begin; what it returns lets them end."""
    alone, beside, said = [], [], None
    for _ in range(ROUNDS):
        alone.append(ordinary.commits(SECONDS))
        end = begin()
        time.sleep(0.5)
        beside.append(ordinary.commits(SECONDS))
        said = end()
        time.sleep(0.5)
    share = statistics.median(beside) / statistics.median(alone)
    print(
        f"{name}: {statistics.median(alone):.0f} commits/s alone, {statistics.median(beside):.0f} "
        f"beside: {share:.0%}; the most a node has held: {cluster.peak >> 20} MiB; "
        f"the others got {said}",
        flush=True,
    )
    return [] if share >= 0.5 else [OfSpeed(f"{name}: {share:.0%}")]


def idle_clients(port):
    """Connections on which nothing is said, and how many of them the node has turned away."""
    streams = []
    for _ in range(IDLE):
        stream = connect(port)
        stream.setblocking(False)
        streams.append(stream)

    def end():
        refused = 0
        for stream in streams:
            try:
                refused += stream.recv(100).startswith(b"-ERR max number of clients")
            except BlockingIOError:
                pass
            except OSError:
                refused += 1
            stream.close()
        return f"{refused} of {IDLE} refused"

    return end


def begin(kinds, ports):
    """Greedy clients of these kinds; "idle" means a great many that say nothing."""
    if kinds == "idle":
        return lambda: idle_clients(ports[0])
    return lambda: Others(kinds, ports).end


def measure(name, kinds, on_leader, cluster):
    leader = cluster.leader()
    port = BASE + (leader if on_leader else leader % 3 + 1)
    with connect(BASE + leader) as stream:
        stream.sendall(words("SET", "megabyte", b"m" * 1_000_000))
        assert stream.recv(100) == b"+OK\r\n"
    ordinary = Ordinary(port)
    name = f"{'leader' if on_leader else 'follower'}, {name}"
    failures = side_by_side(name, cluster, ordinary, begin(kinds, [BASE + leader, port]))
    if kinds == [never_reads] * 3:
        failures += cut_off(BASE + leader)
    if cluster.peak >= MOST:
        failures.append(f"{name}: a node has held {cluster.peak >> 20} MiB")
    if cluster.leader() != leader:
        failures.append(OfSpeed(f"{name}: the leader has changed"))
    return failures


def cut_off(port):
    """Whoever does not read is given 10 seconds, and then cut off."""
    others = Others([never_reads] * 3, [port])
    give_up = time.monotonic() + 120
    while not all(said.value for said in others.said) and time.monotonic() < give_up:
        time.sleep(0.1)
    times = others.end()
    print(f"clients that do not read were cut off {times} times", flush=True)
    return [] if all(times) else ["clients that do not read are not cut off"]


def at_once(kv, directory):
    """Clients that send a megabyte each at the same time: each is answered, and nodes hold little
    more than the log, which has all of them."""
    os.mkdir(directory)
    cluster = Cluster(kv, directory)
    answers = []

    def one(port):
        try:
            with connect(port) as stream:
                stream.sendall(words("SET", "at-once", b"v" * 1_000_000))
                answers.append(stream.recv(100))
        except OSError as error:
            answers.append(error)

    try:
        port = BASE + cluster.leader()
        clients = [threading.Thread(target=one, args=(port,)) for _ in range(MEGABYTES)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    finally:
        ended = cluster.end()
    name = f"{MEGABYTES} that set a megabyte at once"
    others = [answer for answer in answers if answer != b"+OK\r\n"]
    print(f"{name}: the most a node has held: {cluster.peak >> 20} MiB", flush=True)
    failures = [OfSpeed(f"{name}: {len(others)} got {others[0]}")] if others else []
    if cluster.peak >= MOST:
        failures.append(f"{name}: a node has held {cluster.peak >> 20} MiB")
    return failures + ended


SCENES = (
    ("three that never read", [never_reads] * 3),
    ("one that pipelines megabytes", [megabytes]),
    ("one that pipelines small SETs", [small_sets]),
    ("one of each", [never_reads, megabytes, small_sets]),
    (f"{IDLE} idle clients", "idle"),
)


def in_a_cluster_of_its_own(kv, directory, on_leader, scene):
    """Nodes keep their whole log in memory: each scene begins with new ones."""
    os.mkdir(directory)
    cluster = Cluster(kv, directory)
    try:
        failures = measure(*scene, on_leader, cluster)
    finally:
        ended = cluster.end()
    return failures + ended


def main(kv, directory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= IDLE + 500, f"{IDLE} connections need more open files than {hard}: ulimit -Hn"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 500), hard))
    failures = []
    runs = [
        functools.partial(in_a_cluster_of_its_own, kv, on_leader=on_leader, scene=scene)
        for on_leader, scene in itertools.product((True, False), SCENES)
    ]
    for number, run in enumerate([functools.partial(at_once, kv), *runs]):
        found = run(f"{directory}/{number}")
        if found and all(isinstance(failure, OfSpeed) for failure in found):
            print("again, for", "; ".join(found), flush=True)
            found = run(f"{directory}/{number}-again")
        failures += found
    if failures:
        sys.exit("FAILED: " + "; ".join(failures))
    print("all well")


if __name__ == "__main__":
    main(*sys.argv[1:])
