// Asks for each error of the catalogue, and says what Node's clients make of it: as errors.py does.
const http = require("http");
const { Client } = require("pg");
const mysql = require("mysql2/promise");
const { Redis } = require("ioredis");

const [admin, ...servers] = process.argv.slice(2);
const place = (n) => ({ host: servers[n].split(":")[0], port: Number(servers[n].split(":")[1]) });
const login = { user: "web", password: "secret", database: "shop" };

function tell(method, path, body) {
  const [host, port] = admin.split(":");
  const headers = body ? { "Content-Type": "application/yaml" } : {};
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path, headers }, (answer) => {
      let said = "";
      answer.on("data", (part) => (said += part));
      answer.on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${method} ${path} ${body}: ${said}`))));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function withPg(name) {
  const client = new Client({ ...place(0), ...login });
  client.on("error", () => {}); // a session that ends says so twice
  try {
    await client.connect();
    if (name === "idle_in_transaction_timeout") await client.query("begin");
    await client.query("insert into orders values (1)");
    await client.end();
  } catch (error) {
    client.end().catch(() => {});
    return [error.constructor.name, error.code];
  }
}

async function withMysql2() {
  let session;
  try {
    session = await mysql.createConnection({ ...place(1), ...login });
    session.on("error", () => {});
    await session.query("insert into orders values (1)");
  } catch (error) {
    return [error.code, error.errno];
  } finally {
    session?.destroy();
  }
}

async function withIoredis() {
  const client = new Redis({ ...place(2), password: "secret", lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
  // What is refused on connecting belongs to no command.
  const refused = new Promise((_, reject) => client.on("error", reject));
  refused.catch(() => {});
  const work = async () => {
    await client.connect();
    await client.set("cart:1", "x");
  };
  try {
    await Promise.race([work(), refused]);
  } catch (error) {
    return [error.constructor.name, error.message.split(" ")[0]];
  } finally {
    client.disconnect();
  }
}

const clients = { postgres: ["node-postgres", withPg], mysql: ["mysql2", withMysql2], redis: ["ioredis", withIoredis] };

async function main() {
  let input = "";
  for await (const part of process.stdin) input += part;
  for (const line of input.trim().split("\n")) {
    const [protocol, name, when] = line.split(" ");
    const match = when === "command" ? ", match: {sql: write}" : "";
    const fault = `{where: {listener: ${protocol}${match}}, for: 1m, do: {abort: {error: ${name}}}}`;
    await tell("POST", "/api/v1/faults", `faults: {e: ${fault}}`);
    const [client, ask] = clients[protocol];
    console.log(protocol, name, client, ...((await ask(name)) ?? ["nothing"]));
    await tell("DELETE", "/api/v1/faults/e");
  }
}

main();
