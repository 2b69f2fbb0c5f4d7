// What becomes of a COMMIT that fails, to node-postgres where it prepares it.
const { Client } = require("pg");

async function main() {
  const [host, port] = process.argv.slice(2);
  const session = new Client({ host, port, user: "web", password: "secret", database: "shop" });
  await session.connect();
  for (let n = 0; n < 2; n++) {
    await session.query("begin");
    await session.query("insert into orders values (1), (1)");
    await session.query({ name: "end", text: "commit" }).catch((error) => console.log(error.code));
    console.log((await session.query({ name: "count", text: "select count(*) from orders" })).rows);
  }
  await session.end();
}

main();
