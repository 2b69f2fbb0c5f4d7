"""What an application does with PyMySQL: transactions, many rows at once, rows that come one by one, LOAD DATA, errors."""

import sys
import tempfile

import pymysql
from pymysql.cursors import SSCursor

session = pymysql.connect(
    host=sys.argv[1], port=int(sys.argv[2]), user="web", password="secret", database="shop", local_infile=True
)
with session, session.cursor() as cursor:
    print(session.get_server_info().split("-")[0], cursor.execute("select 1"))
    cursor.execute("drop table if exists carts")
    cursor.execute("create table carts (id int auto_increment primary key, item varchar(80) unique, price decimal(8, 2))")
    cursor.executemany("insert into carts (item, price) values (%s, %s)", [(f"item {n}", n / 4) for n in range(500)])
    session.commit()
    cursor.execute("delete from carts")
    session.rollback()
    cursor.execute("select count(*), sum(price) from carts")
    print(cursor.fetchone())
    for wrong in ["insert into carts (item) values ('item 1')", "select nonsense", "select * from nowhere", "selec 1"]:
        try:
            cursor.execute(wrong)
        except pymysql.MySQLError as error:
            print(type(error).__name__, error.args[0])
    cursor.execute("prepare one from 'select item from carts where id = ?'")
    cursor.execute("set @id = 7")
    cursor.execute("execute one using @id")
    print(cursor.fetchall())
    with tempfile.NamedTemporaryFile("w") as rows:
        rows.writelines(f"more {n}\t1\n" for n in range(3000))
        rows.flush()
        print(cursor.execute(f"load data local infile '{rows.name}' into table carts (item, price)"))
    session.commit()
    with session.cursor(SSCursor) as stream:
        stream.execute("select item, repeat('x', 1000) from carts order by id")
        print(sum(len(item) + len(filler) for item, filler in stream))
    session.select_db("information_schema")
    session.select_db("shop")
    session.ping()
    cursor.execute("drop table carts")
