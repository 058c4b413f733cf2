// node-redis against the nodes at the ports given, in both versions of the protocol.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";

async function commands(client) {
  await client.del(["n", "t", "a", "b", "c"]);
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.incrBy("n", 5), 5);
  assert.equal(await client.decr("n"), 4);
  assert.equal(await client.decrBy("n", 7), -3);
  assert.equal(await client.mSet({ a: "1", b: "2" }), "OK");
  assert.deepEqual(await client.mGet(["a", "absent", "b"]), ["1", null, "2"]);
  assert.equal(await client.exists(["a", "b", "absent"]), 2);
  assert.equal(Number(await client.setNX("a", "2")), 0);
  assert.equal(await client.getSet("a", "2"), "1");
  assert.equal(await client.append("a", "34"), 3);
  assert.equal(await client.strLen("a"), 3);
  assert.equal(await client.type("a"), "string");
  assert.equal(await client.getDel("a"), "234");
  assert.equal(await client.get("a"), null);
  assert.ok((await client.dbSize()) >= 2);
  assert.equal(await client.set("t", "1", { PX: 700 }), "OK");
  assert.equal(await client.set("t", "2", { KEEPTTL: true, GET: true }), "1");
  const left = await client.pTTL("t");
  assert.ok(left > 0 && left <= 700, `${left} ms left`);
  assert.equal(Number(await client.expire("b", 100)), 1);
  assert.equal(Number(await client.persist("b")), 1);
  assert.equal(await client.ttl("b"), -1);
  const giveUp = Date.now() + 30_000;
  while ((await client.get("t")) !== null) {
    assert.ok(Date.now() < giveUp, "the key does not expire");
    await sleep(100);
  }
  // Sent at once, as one pipeline.
  const numbers = Array.from({ length: 1000 }, (_, number) => String(number));
  await Promise.all(numbers.map((number) => client.set(`p${number}`, number)));
  assert.deepEqual(await Promise.all(numbers.map((number) => client.get(`p${number}`))), numbers);
  await assert.rejects(client.lPush("l", "x"), /unknown command 'LPUSH', with args beginning with: 'l' 'x'/);
  await assert.rejects(client.sendCommand(["GET"]), /wrong number of arguments for 'get' command/);
  await assert.rejects(client.sendCommand(["SET", "a", "1", "NO"]), /syntax error/);
  assert.ok((await client.commandCount()) > 30);
}

for (const port of process.argv.slice(2)) {
  for (const options of [{}, { RESP: 2 }, { RESP: 3 }]) {
    const client = createClient({ socket: { port: Number(port), host: "127.0.0.1" }, ...options });
    client.on("error", (error) => { throw error; });
    await client.connect();
    await commands(client);
    await client.close();
  }
}
console.log("node-redis: all well");
