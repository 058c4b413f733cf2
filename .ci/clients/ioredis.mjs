// ioredis against the nodes at the ports given.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

async function commands(client) {
  await client.del("n", "t", "a", "b", "c");
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.incrby("n", 5), 5);
  assert.equal(await client.decr("n"), 4);
  assert.equal(await client.decrby("n", 7), -3);
  assert.equal(await client.mset({ a: "1", b: "2" }), "OK");
  assert.deepEqual(await client.mget("a", "absent", "b"), ["1", null, "2"]);
  assert.equal(await client.exists("a", "b", "absent"), 2);
  assert.equal(await client.setnx("a", "2"), 0);
  assert.equal(await client.getset("a", "2"), "1");
  assert.equal(await client.append("a", "34"), 3);
  assert.equal(await client.strlen("a"), 3);
  assert.equal(await client.type("a"), "string");
  assert.equal(await client.getdel("a"), "234");
  assert.equal(await client.get("a"), null);
  assert.ok((await client.dbsize()) >= 2);
  assert.equal(await client.set("t", "1", "PX", 700), "OK");
  assert.equal(await client.set("t", "2", "KEEPTTL", "GET"), "1");
  const left = await client.pttl("t");
  assert.ok(left > 0 && left <= 700, `${left} ms left`);
  assert.equal(await client.expire("b", 100), 1);
  assert.equal(await client.persist("b"), 1);
  assert.equal(await client.ttl("b"), -1);
  const giveUp = Date.now() + 30_000;
  while ((await client.get("t")) !== null) {
    assert.ok(Date.now() < giveUp, "the key does not expire");
    await sleep(100);
  }
  const numbers = Array.from({ length: 1000 }, (_, number) => String(number));
  const pipeline = client.pipeline();
  for (const number of numbers) pipeline.set(`p${number}`, number).get(`p${number}`);
  const answers = (await pipeline.exec()).filter((_, at) => at % 2 === 1);
  assert.deepEqual(answers, numbers.map((number) => [null, number]));
  await assert.rejects(client.lpush("l", "x"), /unknown command 'lpush', with args beginning with: 'l' 'x'/);
  await assert.rejects(client.call("GET"), /wrong number of arguments for 'get' command/);
  await assert.rejects(client.call("SET", "a", "1", "NO"), /syntax error/);
}

for (const port of process.argv.slice(2)) {
  const client = new Redis({ port: Number(port), host: "127.0.0.1", maxRetriesPerRequest: 1 });
  client.on("error", (error) => { throw error; });
  await commands(client);
  await client.quit();
}
console.log("ioredis: all well");
