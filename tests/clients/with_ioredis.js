// What an application does with ioredis: pipelines, transactions, scripts, subscriptions, blocking pops.
const { Redis } = require("ioredis");

async function main() {
  const [host, port] = process.argv.slice(2);
  const client = new Redis({ host, port: Number(port) });
  await client.flushdb();
  console.log(await client.set("a", "two\r\nlines"), JSON.stringify(await client.get("a")));
  const many = await Promise.all(Array.from({ length: 200 }, (_, n) => client.hset("cart", `item ${n}`, n)));
  console.log(many.length, await client.hlen("cart"));
  console.log(await client.pipeline().incr("n").get("n").lpush("list", "x", "y").exec());
  console.log(await client.multi().incr("n").lrange("list", 0, -1).exec());
  await client.incr("a").catch((error) => console.log(error.constructor.name, error.message));
  client.defineCommand("echo2", { numberOfKeys: 1, lua: "return {KEYS[1], ARGV[1]}" });
  console.log(await client.echo2("k", "v"));
  console.log(await client.blpop("list", 1), await client.blpop("nothing", 0.1));
  const listening = client.duplicate();
  const heard = new Promise((resolve) => listening.on("message", (channel, text) => resolve([channel, text])));
  await listening.subscribe("news");
  await client.publish("news", "hello");
  console.log(await heard);
  await client.flushdb();
  listening.disconnect();
  client.disconnect();
}

main();
