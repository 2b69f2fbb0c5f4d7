// What an application does with mysql2: a pool, prepared statements, transactions, rows that come one by one, errors.
const mysql = require("mysql2/promise");

async function main() {
  const [host, port] = process.argv.slice(2);
  const pool = mysql.createPool({ host, port, user: "web", password: "secret", database: "shop", connectionLimit: 4 });
  await pool.query("drop table if exists carts");
  await pool.query("create table carts (id int auto_increment primary key, item varchar(80) unique, price int)");
  for (let n = 0; n < 20; n++) {
    await pool.execute("insert into carts (item, price) values (?, ?)", [`item ${n}`, n]);
  }
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) => pool.execute("select item from carts where id = ?", [(n % 20) + 1])),
  );
  console.log(answers.map(([rows]) => rows[0].item).join());
  const session = await pool.getConnection();
  try {
    await session.beginTransaction();
    await session.query("delete from carts");
    await session.query("insert into carts (item) values ('a'), ('a')");
  } catch (error) {
    console.log(error.code, error.errno, error.sqlState);
    await session.rollback();
  }
  session.release();
  console.log((await pool.query("select count(*) as n, sum(price) as total from carts"))[0]);
  for (const wrong of ["select nonsense", "select * from nowhere", "selec 1"]) {
    await pool.query(wrong).catch((error) => console.log(error.code, error.sqlState));
  }
  console.log((await pool.query("select repeat('x', 300000) as x"))[0][0].x.length);
  await pool.query("drop table carts");
  await pool.end();
}

main();
