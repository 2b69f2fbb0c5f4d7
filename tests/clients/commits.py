"""What becomes of a COMMIT that fails, to clients that prepare it: psycopg in a pipeline, asyncpg, SQLAlchemy."""

import asyncio
import sys

import asyncpg
import psycopg
import sqlalchemy

login = {"host": sys.argv[1], "port": int(sys.argv[2]), "user": "web", "password": "secret"}
twice = "insert into orders values (1), (1)"

with psycopg.connect(**login, dbname="shop", autocommit=True) as session:
    for _ in range(2):
        try:
            with session.pipeline(), session.transaction():
                session.execute(twice)
                session.execute("select 1")
        except psycopg.Error as error:
            print("psycopg", error.sqlstate, session.info.transaction_status.name)
        session.prepare_threshold = 0
    for text in ("begin", twice, "commit"):
        try:
            session.execute(text, prepare=True)
        except psycopg.Error as error:
            print("psycopg", text, error.sqlstate, session.info.transaction_status.name)
    print(session.execute("select count(*) from orders", prepare=True).fetchone())


async def main():
    session = await asyncpg.connect(**login, database="shop")
    commit = await session.prepare("commit")
    for _ in range(2):
        await session.execute("begin")
        await session.execute(twice)
        try:
            await commit.fetch()
        except asyncpg.PostgresError as error:
            print("asyncpg", error.sqlstate, session.is_in_transaction())
    print(await session.fetchval("select count(*) from orders"))
    await session.close()


asyncio.run(main())
where = f"postgresql+psycopg://web:secret@{login['host']}:{login['port']}/shop"
engine = sqlalchemy.create_engine(where, pool_size=1, max_overflow=0, connect_args={"prepare_threshold": 0})
for _ in range(2):
    try:
        with engine.begin() as session:
            session.execute(sqlalchemy.text(twice))
    except sqlalchemy.exc.IntegrityError as error:
        print("sqlalchemy", error.orig.sqlstate)
with engine.begin() as session:
    session.execute(sqlalchemy.text("insert into orders values (2)"))
    print(session.execute(sqlalchemy.text("select count(*) from orders")).scalar())
    session.rollback()
