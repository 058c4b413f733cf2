"""redis-py against the nodes at the ports given, in both versions of the protocol."""

import sys
import time

import redis


def check(got, wanted):
    assert got == wanted, f"{got!r}, expected {wanted!r}"


def refused(words, call, *arguments):
    try:
        got = call(*arguments)
    except redis.ResponseError as error:
        assert words in str(error), f"{error}, expected {words}"
    else:
        raise AssertionError(f"{got!r}, expected an error: {words}")


def commands(client):
    client.delete("n", "t", "a", "b", "c")
    check(client.ping(), True)
    check(client.incrby("n", 5), 5)
    check(client.incr("n"), 6)
    check(client.decr("n"), 5)
    check(client.decrby("n", 7), -2)
    check(client.mset({"a": "1", "b": b"\x00\r\n"}), True)
    check(client.mget("a", "absent", "b"), [b"1", None, b"\x00\r\n"])
    check(client.exists("a", "b", "absent", "a"), 3)
    check(client.setnx("a", "2"), False)
    check(client.getset("a", "2"), b"1")
    check(client.append("a", "34"), 3)
    check(client.strlen("a"), 3)
    check(client.type("a"), b"string")
    check(client.getdel("a"), b"234")
    check(client.get("a"), None)
    check(client.set("c", "1", nx=True), True)
    check(client.set("c", "2", nx=True), None)
    check(client.set("c", "3", xx=True, get=True), b"1")
    assert client.dbsize() >= 3
    # Time to live.
    check(client.ttl("c"), -1)
    check(client.ttl("absent"), -2)
    check(client.set("t", "1", px=700), True)
    assert 0 < client.pttl("t") <= 700
    check(client.set("t", "2", keepttl=True), True)
    assert 0 < client.pttl("t") <= 700
    check(client.expire("c", 100), True)
    assert 98 <= client.ttl("c") <= 100
    check(client.persist("c"), True)
    check(client.pexpire("c", 90_000), True)
    # Nobody asks for anything meanwhile: the nodes let the time go on.
    give_up = time.monotonic() + 30
    time.sleep(2)
    while client.get("t") is not None:
        assert time.monotonic() < give_up, "the key does not expire"
        time.sleep(0.1)
    check(client.get("c"), b"3")
    # Pipelines, plain ones: there are no transactions.
    with client.pipeline(transaction=False) as pipeline:
        for number in range(1000):
            pipeline.set(f"p{number}", number).get(f"p{number}")
        answers = pipeline.execute()
    check(answers[1::2], [str(number).encode() for number in range(1000)])
    # What is not there, in words that clients know.
    refused("unknown command 'LPUSH', with args beginning with: 'l' 'x'", client.lpush, "l", "x")
    refused("syntax error", client.execute_command, "SET", "a", "1", "NO")
    refused("wrong number of arguments for 'get' command", client.execute_command, "GET")
    refused("not an integer", client.incr, "b")
    assert "get" in client.command()
    assert client.execute_command("COMMAND DOCS", "get")
    assert client.info("raft")
    # Of this node alone, as the client understands the answers.
    check(client.save(), True)
    assert client.bgsave()
    assert time.time() - client.lastsave().timestamp() < 60
    give_up = time.monotonic() + 30
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        assert time.monotonic() < give_up, "the background save does not end"
        time.sleep(0.1)
    check(client.client_setinfo("LIB-NAME", "x"), True)


for port in sys.argv[1:]:
    for protocol in [None, 2, 3]:
        options = {} if protocol is None else {"protocol": protocol}
        with redis.Redis(port=int(port), socket_timeout=30, **options) as client:
            commands(client)
print(f"redis-py {redis.__version__}: all well")
