// What an application does with node-postgres: a pool, prepared statements, transactions, errors.
const { Pool } = require("pg");

async function main() {
  const [host, port] = process.argv.slice(2);
  const pool = new Pool({ host, port, user: "web", password: "secret", database: "shop", max: 4 });
  await pool.query("drop table if exists carts; create table carts (id serial primary key, item text unique, price int)");
  for (let n = 0; n < 20; n++) {
    await pool.query({ name: "add", text: "insert into carts (item, price) values ($1, $2)", values: [`item ${n}`, n] });
  }
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) => pool.query("select item from carts where id = $1", [(n % 20) + 1])),
  );
  console.log(answers.map((answer) => answer.rows[0].item).join());
  const session = await pool.connect();
  try {
    await session.query("begin");
    await session.query("delete from carts");
    await session.query("insert into carts (item) values ('a'), ('a')");
  } catch (error) {
    console.log(error.constructor.name, error.code, error.constraint);
    await session.query("rollback");
  } finally {
    session.release();
  }
  console.log((await pool.query("select count(*), sum(price) from carts")).rows);
  for (const wrong of ["select nonsense", "select 1/0", "selec"]) {
    await pool.query(wrong).catch((error) => console.log(error.constructor.name, error.code));
  }
  console.log((await pool.query("select repeat('x', 300000) as x")).rows[0].x.length);
  await pool.end();
}

main();
