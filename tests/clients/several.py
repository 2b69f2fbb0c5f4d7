"""Says texts of several statements to MySQL, and what comes back of each.

`several.py PORT`: each line of standard input is a session, a JSON list of texts. A line of standard output is what came of such
a session: the results of each text in their order, its error, and whether a transaction is open after it.
"""

import json
import sys

import pymysql
from pymysql.constants import CLIENT

IN_TRANSACTION = 1


def said(session, text):
    """The results of a text, and the error that ended it."""
    told = []
    try:
        with session.cursor() as cursor:
            cursor.execute(text)
            while True:
                told.append(cursor.fetchall() if cursor.description else cursor.rowcount)
                if not cursor.nextset():
                    break
    except pymysql.Error as error:
        told.append(list(error.args))
    return told


def open_transaction(session):
    """Whether the server says that one is open."""
    session.query("do 1")
    return bool(session.server_status & IN_TRANSACTION)


for line in sys.stdin:
    session = pymysql.connect(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        user="web",
        password="secret",
        database="shop",
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
    told = [(said(session, text), open_transaction(session)) for text in json.loads(line)]
    print(json.dumps(told), flush=True)
    session.close()
