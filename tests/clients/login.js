// Logs in with mysql2, reads and writes, and says what came of it: rows and numbers of errors.
const mysql = require("mysql2/promise");

async function main() {
  const [client, how, host, port, user] = process.argv.slice(2);
  const ssl = how === "tls" ? { rejectUnauthorized: false } : undefined;
  let session;
  try {
    session = await mysql.createConnection({ host, port, user, password: "secret", database: "shop", ssl });
  } catch (error) {
    return console.log(error.errno, error.message);
  }
  const seen = [];
  for (const statement of ["select 40 + 2", "insert into orders (item) values ('x')", "select 7"]) {
    try {
      const [rows] = await session.query({ sql: statement, rowsAsArray: true });
      seen.push(Array.isArray(rows) ? rows[0][0] : "done");
    } catch (error) {
      seen.push(error.errno);
    }
  }
  console.log(seen.join(" "));
  await session.end();
}

main();
