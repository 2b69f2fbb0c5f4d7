"""What an application does with asyncpg: a pool, prepared statements, transactions, COPY, cursors, notifications."""

import asyncio
import sys

import asyncpg


async def main():
    login = {"host": sys.argv[1], "port": int(sys.argv[2]), "user": "web", "password": "secret", "database": "shop"}
    async with asyncpg.create_pool(**login, min_size=2, max_size=4) as pool:
        async with pool.acquire() as session:
            await session.execute("drop table if exists carts; create table carts (id serial primary key, item text unique)")
            await session.executemany("insert into carts (item) values ($1)", [[f"item {n}"] for n in range(50)])
            find = await session.prepare("select item from carts where id = $1")
            print([await find.fetchval(n) for n in (1, 7, 50)])
            try:
                async with session.transaction():
                    await session.execute("delete from carts")
                    await session.execute("insert into carts (item) values ('a'), ('a')")
            except asyncpg.PostgresError as error:
                print(type(error).__name__, error.sqlstate)
            print(await session.fetchval("select count(*) from carts"))
            records = [(f"more {n}",) for n in range(5000)]
            print(await session.copy_records_to_table("carts", records=records, columns=["item"]))
            async with session.transaction():
                print(sum([len(row["item"]) async for row in session.cursor("select item from carts", prefetch=100)]))
            heard = asyncio.get_running_loop().create_future()
            await session.add_listener("news", lambda *said: heard.done() or heard.set_result(said[-1]))
            await session.execute("notify news, 'hello'")
            print(await asyncio.wait_for(heard, 10))
            try:
                await session.fetch("select pg_sleep(60)", timeout=0.2)
            except TimeoutError:
                print("cancelled")
            print(await session.fetchval("select 1"))
            await session.reset()
        counts = await asyncio.gather(*[pool.fetchval("select count(*) from carts where id <= $1", n) for n in range(40)])
        print(counts)


asyncio.run(main())
