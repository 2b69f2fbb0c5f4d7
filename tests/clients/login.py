"""Logs in with PyMySQL or mysql-connector, reads and writes, and says what came of it: rows and numbers of errors."""

import ssl
import sys

import mysql.connector
import pymysql

client, how, host, port, user = sys.argv[1:]
who = {"host": host, "port": int(port), "user": user, "password": "secret", "database": "shop"}
words = how.split(",")
try:
    if client == "pymysql":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        session = pymysql.connect(**who, ssl=context if "tls" in words else None, ssl_disabled="clear" in words)
    else:
        session = mysql.connector.connect(
            **who, use_pure=client == "connector", ssl_disabled="clear" in words, compress="compressed" in words
        )
except (pymysql.MySQLError, mysql.connector.Error) as error:
    print(error.args[0], error.args[1])
    sys.exit()
cursor = session.cursor()
if "attributes" in words:
    cursor.add_attribute("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    cursor.add_attribute("attempt", 2)
for statement in ["select 40 + 2", "insert into orders (item) values ('x')", "select 7"]:
    try:
        cursor.execute(statement)
        print(cursor.fetchone()[0] if cursor.description else "done", end=" ")
    except (pymysql.MySQLError, mysql.connector.Error) as error:
        print(error.args[0], end=" ")
session.close()
