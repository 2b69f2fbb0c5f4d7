"""What an application does with mysql-connector, its Python and its C: attributes of queries, transactions, prepared statements,
several results, LOAD DATA, another user, errors."""

import sys
import tempfile

import mysql.connector

host, port = sys.argv[1], int(sys.argv[2])
for pure in [True, False]:
    session = mysql.connector.connect(
        host=host, port=port, user="web", password="secret", database="shop", use_pure=pure, allow_local_infile=True
    )
    cursor = session.cursor()
    cursor.add_attribute("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    cursor.add_attribute("attempt", 2)
    cursor.execute("drop table if exists carts")
    cursor.execute("create table carts (id int auto_increment primary key, item varchar(80) unique, price decimal(8, 2))")
    cursor.executemany("insert into carts (item, price) values (%s, %s)", [(f"item {n}", n / 4) for n in range(500)])
    session.commit()
    cursor.execute("delete from carts")
    session.rollback()
    cursor.execute("select count(*), sum(price) from carts")
    print(cursor.fetchone())
    with session.cursor(prepared=True) as prepared:
        for n in [3, 4]:
            prepared.execute("select item, price from carts where id = %s and item like %s", (n, "item%"))
            print(prepared.fetchall())
        prepared.execute("insert into carts (item) values (%s)", ("prepared",))
    cursor.execute("drop procedure if exists twice")
    cursor.execute("create procedure twice(n int) begin select n; select item from carts where id = n; end")
    cursor.callproc("twice", (5,))
    print([result.fetchall() for result in cursor.stored_results()])
    with tempfile.NamedTemporaryFile("w") as rows:
        rows.writelines(f"more {n}\t1\n" for n in range(3000))
        rows.flush()
        cursor.execute(f"load data local infile '{rows.name}' into table carts (item, price)")
        print(cursor.rowcount)
    for wrong in ["insert into carts (item) values ('item 1')", "select nonsense", "select * from nowhere", "selec 1"]:
        try:
            cursor.execute(wrong)
        except mysql.connector.Error as error:
            print(type(error).__name__, error.errno, error.sqlstate)
    session.commit()
    session.cmd_change_user("web", "secret", "shop")
    session.reset_session()
    cursor = session.cursor()
    cursor.execute("select item, repeat('x', 1000) from carts order by id")
    print(sum(len(item) + len(filler) for item, filler in cursor))
    session.ping()
    cursor.execute("drop table carts")
    session.close()
