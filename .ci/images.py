"""Three kv processes that write images of their maps all the time, under load and with kills.

    images.py KV DIRECTORY MINUTES

Writers set keys to rising numbers. From time to time they rest, and every key is read from every
node: it must hold the last number that was acknowledged, or a later one that was asked for. Nodes
1 and 2 are killed again and again (SIGKILL), also for so long that the others no longer hold what
they missed; node 3 lives to the end, so that its memory tells. Each line shows, for every node, the
memory, the bytes on disk, where the log begins and ends, and its images.

At the end a node starts on an empty disk, as a new server of the same place: it is refused. Once
the leader has readmitted it, an image brings it up.

| variable | meaning |
|---|---|
| `KV_PORT` | the ports begin behind this |
| `KV_KEYS` | how many keys there are |
| `KV_SEED` | of what happens when |
"""

import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time

BASE = int(os.environ.get("KV_PORT", "23379"))
KEYS = int(os.environ.get("KV_KEYS", "20000"))
SEED = int(os.environ.get("KV_SEED", time.strftime("%Y%m%d")))
WRITERS = 6
PIPELINE = 32
NODES = (1, 2, 3)
# A command that got no answer is tried for 5 seconds at most (--timeout-ms). Its key is left alone
# for so long, or what was asked later could be followed by what was asked before.
QUARANTINE = 15
# Rests: few enough that there is a load, and often enough that a loss is found soon.
BETWEEN_RESTS = 10
# How much more the last third of a run may hold than the first one, in memory and on disk: of what
# comes after two minutes, in which memory is taken that is used again. And what it may hold at most.
GROWTH = 1.2
SLACK = 16 << 20
WARM_UP = 120
MOST = 256 << 20


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


def wait_for(what, condition, seconds=120):
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            sys.exit(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)


class Cluster:
    def __init__(self, kv, directory):
        self.kv, self.directory, self.nodes = kv, directory, {}
        self.lock = threading.Lock()
        self.kills = 0
        for id in NODES:
            self.start(id)

    def data(self, id):
        return f"{self.directory}/{id}"

    def start(self, id):
        command = [self.kv, "--id", str(id), "--data", self.data(id), "--election-ms", "300-600"]
        command += ["--compact-at", str(1 << 20), "--keep-entries", "2000"]
        for peer in NODES:
            command += ["--peer", f"{peer}=127.0.0.1:{BASE + peer}@{BASE + 1000 + peer}"]
        with open(f"{self.directory}/{id}.log", "a") as log:
            self.nodes[id] = subprocess.Popen(command, stderr=log)
        wait_for(f"node {id} is up", lambda: info(id))

    def kill(self, id):
        with self.lock:
            node = self.nodes[id]
            if node.poll() is not None:
                sys.exit(f"node {id} has ended by itself: {node.returncode}")
            node.kill()
            node.wait()
            self.kills += 1

    def resident(self, id):
        try:
            with open(f"/proc/{self.nodes[id].pid}/status") as status:
                return sum(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))
        except OSError:
            return 0

    def disk(self, id):
        total = 0
        for folder, _, files in os.walk(self.data(id)):
            for file in files:
                try:
                    total += os.stat(os.path.join(folder, file)).st_blocks * 512
                except FileNotFoundError:
                    pass
        return total

    def end(self):
        for node in self.nodes.values():
            node.kill()
            node.wait()


class Key:
    """What may be read of a key: what was acknowledged last, or what was asked since, in vain."""

    __slots__ = ("name", "asked", "acknowledged", "open", "rests_until")

    def __init__(self, name):
        self.name, self.asked, self.acknowledged = name, 0, 0
        self.open, self.rests_until = set(), 0.0

    def value(self):
        return b"%064d" % self.asked

    def allows(self, value):
        held = 0 if value is None else int(value)
        return held == self.acknowledged or held in self.open


class Load:
    def __init__(self):
        self.resume, self.over = threading.Event(), False
        self.resume.set()
        self.resting = threading.Barrier(WRITERS + 1)
        self.acknowledged, self.unknown = [0] * WRITERS, [0] * WRITERS
        self.keys = [
            [Key(f"w{writer}:{number}") for number in range(KEYS // WRITERS)]
            for writer in range(WRITERS)
        ]
        self.threads = [threading.Thread(target=self.write, args=(at,), daemon=True) for at in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self, writer):
        dice, stream, keys, at = random.Random(SEED * 100 + writer), None, self.keys[writer], 0
        while not self.over:
            if not self.resume.is_set():
                self.resting.wait()
                self.resume.wait()
                continue
            if stream is None:
                try:
                    raw = connect(dice.choice(NODES))
                except OSError:
                    time.sleep(0.02)
                    continue
                stream = (raw, raw.makefile("rb"))
            now, chosen = time.monotonic(), []
            for _ in range(2 * PIPELINE):
                key, at = keys[at], (at + 1) % len(keys)
                if key.rests_until < now:
                    chosen.append(key)
                if len(chosen) == PIPELINE:
                    break
            if not chosen:
                time.sleep(0.05)
                continue
            if not self.pipeline(writer, stream, chosen):
                stream[0].close()
                stream = None
            elif dice.random() < 0.01:
                stream[0].close()
                stream = None

    def pipeline(self, writer, stream, keys):
        """Whether the connection is of use still."""
        for key in keys:
            key.asked += 1
        answered = 0
        try:
            stream[0].sendall(b"".join(words("SET", key.name, key.value()) for key in keys))
            for key in keys:
                line = stream[1].readline()
                if not line:
                    raise EOFError
                answered += 1
                if line == b"+OK\r\n":
                    key.acknowledged = key.asked
                    key.open.clear()
                    self.acknowledged[writer] += 1
                elif line.startswith(b"-UNCERTAIN"):
                    self.leave(writer, key)
                elif not line.startswith(b"-CLUSTERDOWN not executed"):
                    os.write(2, f"an answer that nobody expects: {line}\n".encode())
                    os._exit(1)
        except (OSError, EOFError):
            for key in keys[answered:]:
                self.leave(writer, key)
            return False
        return True

    def leave(self, writer, key):
        """It may have been executed, or may yet be."""
        key.open.add(key.asked)
        key.rests_until = time.monotonic() + QUARANTINE
        self.unknown[writer] += 1

    def rest(self):
        self.resume.clear()
        self.resting.wait()

    def go_on(self):
        self.resume.set()


def read_all(load, cluster, deadline=60):
    """Every key from every node that is up; what is wrong with one."""
    give_up = time.monotonic() + deadline
    keys = [key for keys in load.keys for key in keys]
    for id in NODES:
        if cluster.nodes[id].poll() is not None:
            continue
        at = 0
        while at < len(keys):
            part = keys[at : at + 500]
            values = get_many(id, [key.name for key in part])
            if values is None:
                if time.monotonic() > give_up:
                    # It may have been killed meanwhile, and the others answer.
                    break
                time.sleep(0.1)
                continue
            for key, value in zip(part, values):
                if not key.allows(value):
                    sys.exit(
                        f"LOST: {key.name} holds {value} on node {id}; acknowledged is "
                        f"{key.acknowledged}, open are {sorted(key.open)}"
                    )
            at += len(part)


def get_many(id, names):
    try:
        with connect(id) as raw, raw.makefile("rb") as stream:
            raw.sendall(words("MGET", *names))
            if stream.readline() != b"*%d\r\n" % len(names):
                return None
            values = []
            for _ in names:
                length = int(stream.readline()[1:])
                values.append(None if length < 0 else stream.read(length + 2)[:-2])
            return values
    except (OSError, ValueError):
        return None


def tell(began, load, cluster):
    """Prints a line; memory of the node that is never killed, and the most that a disk holds."""
    done, unknown = sum(load.acknowledged), sum(load.unknown)
    line = f"{time.monotonic() - began:6.0f} s {done:>9} acknowledged {unknown:>5} unknown {cluster.kills:>3} kills"
    disks = []
    for id in NODES:
        says = info(id)
        disks.append(cluster.disk(id))
        if not says:
            line += f" | {id} down, disk {disks[-1] >> 20}"
            continue
        line += (
            f" | {id} mem {cluster.resident(id) >> 20} disk {disks[-1] >> 20} "
            f"log {says.get('first_log_index')}-{says.get('last_log_index')} "
            f"image {int(says.get('image_bytes', 0)) / (1 << 20):.1f} x{says.get('images_written')} "
            f"came {came(says)}"
        )
    print(line, flush=True)
    return cluster.resident(3), max(disks)


def came(says):
    """How many images came from peers."""
    peers = [value for name, value in says.items() if name.startswith("images_peer")]
    fields = [field for value in peers for field in value.split(",")]
    return sum(int(field.split("=")[1]) for field in fields if field.startswith("images_received="))


def killer(cluster, over, dice):
    while not over.wait(dice.uniform(1, 5)):
        id = dice.choice((1, 2))
        cluster.kill(id)
        # Long enough, each third time, for the others to forget what it missed.
        over.wait(dice.choice((0.2, 1.0, 6.0)))
        with cluster.lock:
            cluster.start(id)


def flat(name, samples):
    """Of pairs of a time and what was held then."""
    most = max(held for _, held in samples)
    if most > MOST:
        sys.exit(f"{name}: {most >> 20} MiB, where {MOST >> 20} are allowed")
    samples = [held for at, held in samples if at > WARM_UP]
    third = len(samples) // 3
    if third < 3:
        return print(f"{name}: {most >> 20} MiB at most; too short a run to tell whether it grows")
    first, last = max(samples[:third]), max(samples[-third:])
    print(f"{name}: {first >> 20} MiB at most in the first third, {last >> 20} MiB in the last")
    if last > GROWTH * first + SLACK:
        sys.exit(f"{name} GROWS")


def empty_disk(load, cluster):
    """A new server in the place of an old one is refused, and then readmitted."""
    cluster.kill(2)
    shutil.rmtree(cluster.data(2))
    cluster.start(2)
    wait_for("it is refused", lambda: any(name.startswith("refused_by_peer") for name in info(2)))
    print(f"on an empty disk: {info(2).get('disowned') or 'refused'}")
    answers = set()

    def readmitted():
        for id in (1, 3):
            try:
                answers.add(ask(id, "RAFT READMIT 2").split("\r\n")[0])
            except OSError:
                pass
        return any(answer == "+OK" or "readmitted" in answer and "already" in answer for answer in answers)

    wait_for("it is readmitted", readmitted)
    ended = int(info(3)["commit_index"])
    wait_for("an image brings it up", lambda: int(info(2).get("applied_index", 0)) >= ended)
    says = info(2)
    if came(says) == 0:
        sys.exit(f"it has come up, but by no image: {says}")
    print(f"readmitted, and brought up by an image to entry {says['applied_index']}")
    read_all(load, cluster)


def main():
    kv, directory, minutes = sys.argv[1], sys.argv[2], float(sys.argv[3])
    print(f"seed {SEED}, {KEYS} keys, {minutes} minutes", flush=True)
    cluster = Cluster(kv, directory)
    over = threading.Event()
    try:
        load = Load()
        wait_for("every key is written", lambda: sum(load.acknowledged) > 2 * KEYS, 600)
        began = time.monotonic()
        kills = threading.Thread(target=killer, args=(cluster, over, random.Random(SEED)), daemon=True)
        kills.start()
        memory, disk, since = [], [], time.monotonic()
        end = began + 60 * minutes
        # Samples often enough for a short run, and few enough to be read.
        pause = min(20.0, max(2.0, 60 * minutes / 60))
        while time.monotonic() < end:
            time.sleep(pause)
            held, stored = tell(began, load, cluster)
            memory.append((time.monotonic() - began, held))
            disk.append((time.monotonic() - began, stored))
            if not kills.is_alive():
                sys.exit("the thread that kills has ended")
            if time.monotonic() - since > BETWEEN_RESTS:
                load.rest()
                read_all(load, cluster)
                load.go_on()
                since = time.monotonic()
        over.set()
        kills.join()
        load.rest()
        # The last ones that nobody answered: no node works on them any more.
        time.sleep(6)
        read_all(load, cluster)
        tell(began, load, cluster)
        for id in NODES:
            if info(id)["base_index"] == "0":
                sys.exit(f"node {id} has compacted nothing")
        empty_disk(load, cluster)
        flat("memory of node 3", memory)
        flat("disk", disk)
        print("all well")
    finally:
        over.set()
        cluster.end()


main()
