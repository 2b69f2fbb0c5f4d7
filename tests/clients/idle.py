"""Logs in with PyMySQL, stays idle, and says what the server says unasked before it closes. With a wait_timeout, or without."""

import sys

import pymysql

host, port, *limit = sys.argv[1:]
session = pymysql.connect(host=host, port=int(port), user="web", password="secret", database="shop")
for seconds in limit:
    session.cursor().execute(f"set session wait_timeout = {seconds}")
said = b""
while more := session._sock.recv(1000):
    said += more
print(said)
