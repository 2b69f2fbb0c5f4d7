"""Kills queries that take for ever, and says what their session heard and what became of it.

`kill.py PORT PASSWORD ADMIN HOW...`: ADMIN is the port of the proxy whose fault `held` holds the queries, or 0 where the server itself
runs them.
"""
import faulthandler
import json
import sys
import threading
import urllib.request

import pymysql
from pymysql.constants import CLIENT

# Should it ever wait in vain, it tells where it stands before its test gives up.
faulthandler.dump_traceback_later(25, exit=True)
p = dict(host='127.0.0.1', port=int(sys.argv[1]), user='web', password=sys.argv[2], database='shop',
         client_flag=CLIENT.MULTI_STATEMENTS)
c, k = pymysql.connect(**p), pymysql.connect(**p)
# It opens no view: while MySQL opens one, the session acts for the view's owner, and a KILL by its own user is answered with 1095.
LONG = ('with recursive thousand as (select 1 n union all select n + 1 from thousand where n < 1000) '
        'select count(*) from ' + ', '.join(f'thousand t{n}' for n in range(5)))


def ask(sql, shows=True):
    try:
        with c.cursor() as u:
            u.execute(sql)
            if shows:
                print(u.fetchall())
    except pymysql.MySQLError as e:
        print(type(e).__name__, *e.args)


ended = 0


def is_under_way():
    if sys.argv[3] != '0':
        fault = urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[3]}/api/v1/faults/held')
        return json.load(fault)['hits'] > ended
    with k.cursor() as u:
        u.execute("select count(*) from information_schema.processlist where info like '%%thousand t4%%' and id = %s", (c.thread_id(),))
        return u.fetchone()[0] > 0


def killed(how, sql):
    global ended
    asking = threading.Thread(target=ask, args=[sql, False])
    asking.start()
    while not is_under_way():
        asking.join(.01)
        assert asking.is_alive() or is_under_way(), f'{sql} has ended by itself'
    ended += 1
    while asking.is_alive():
        try:
            if how == 'COM_PROCESS_KILL':
                k.kill(c.thread_id())
            else:
                with k.cursor() as u:
                    u.execute(how % c.thread_id())
        except pymysql.MySQLError as e:
            assert e.args[0] == 1094, e
        asking.join(.1)
    if 'query' in how.lower():
        # The last of them may have come when the query was over and its session not idle yet: then MySQL ends the next command by it.
        try:
            c.query('do 0')
        except pymysql.MySQLError as e:
            assert e.args[0] == 1317, e


ask('begin')
ask('insert into orders values (2, 0)')
killed('KILL QUERY %d', LONG)
killed('/* late */ kill query %d;', 'insert into orders select 3, 0 from (' + LONG + ') l')
killed('kill query %d', 'select 1; ' + LONG)
ask('select id from orders order by id')
ask('rollback')
ask('select id from orders order by id')
for how in sys.argv[4:]:
    killed(how, LONG)
    ask('select 1')
    c = pymysql.connect(**p)
try:
    with k.cursor() as u:
        u.execute('kill query 999999')
except pymysql.MySQLError as e:
    print(*e.args)
