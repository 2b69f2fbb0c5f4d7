"""What an application does with psycopg: prepared statements, transactions, a pool, COPY, pipelines, notifications."""

import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg_pool import ConnectionPool

where = f"host={sys.argv[1]} port={sys.argv[2]} user=web password=secret dbname=shop"

with psycopg.connect(where, autocommit=True) as session:
    session.execute("drop table if exists carts")
    session.execute("create table carts (id serial primary key, item text unique, price numeric)")
    session.prepare_threshold = 1
    for n in range(20):
        session.execute("insert into carts (item, price) values (%s, %s)", [f"item {n}", n / 4])
    print(session.execute("select count(*), sum(price) from carts").fetchone())

    try:
        with session.transaction():
            session.execute("delete from carts")
            with session.transaction():
                session.execute("insert into carts (item) values ('one')")
            raise psycopg.Rollback
    except psycopg.Rollback:
        pass
    print(session.execute("select count(*) from carts").fetchone())
    for wrong in ["insert into carts (item) values ('item 1')", "select nonsense", "select 1/0"]:
        try:
            session.execute(wrong)
        except psycopg.Error as error:
            print(type(error).__name__, error.sqlstate)

    with session.pipeline():
        answers = [session.execute("select item from carts where id = %s", [n]) for n in range(1, 6)]
    print([answer.fetchone() for answer in answers])

    with session.cursor() as cursor:
        with cursor.copy("copy carts (item, price) from stdin") as copy:
            for n in range(20, 2000):
                copy.write_row([f"item {n}", n])
        with cursor.copy("copy (select item from carts order by id) to stdout") as copy:
            print(sum(len(bytes(block)) for block in copy))
    with session.transaction(), session.cursor("portal") as cursor:
        cursor.itersize = 100
        cursor.execute("select id from carts order by id")
        print(sum(id for (id,) in cursor))

    session.execute("listen news")
    session.execute("notify news, 'hello'")
    print([notice.payload for notice in session.notifies(timeout=10, stop_after=1)])

with ConnectionPool(where, min_size=2, max_size=4) as pool:

    def add(n):
        with pool.connection() as session:
            session.execute("update carts set price = price + 1 where item = %s", [f"item {n % 10}"])
            return session.execute("select count(*) from carts", prepare=True).fetchone()[0]

    with ThreadPoolExecutor(8) as threads:
        print(sorted(threads.map(add, range(80))) == [2000] * 80)
    with pool.connection() as session:
        print(session.execute("select sum(price) from carts").fetchone())
