"""Asks for each error of the catalogue, and says what Python's clients make of it.

`errors.py ADMIN POSTGRES MYSQL REDIS POSTGRES MYSQL REDIS`: the proxy's admin API, its listeners, the servers behind them. A line
of standard input is an error: `PROTOCOL NAME opening|command`. A line of standard output is what a client has seen: `PROTOCOL
NAME CLIENT CLASS CODE`. Where the server itself can be brought to give the error, the client must see the same.
"""

import asyncio
import http.client
import sys

import asyncpg
import psycopg
import pymysql
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PROTOCOLS = ("postgres", "mysql", "redis")
admin, *addresses = sys.argv[1:]
proxied = dict(zip(PROTOCOLS, (address.split(":") for address in addresses[:3])))
direct = dict(zip(PROTOCOLS, (address.split(":") for address in addresses[3:])))

# What is asked, and by whom, unless it is said otherwise.
USUAL = {"password": "secret", "database": "shop", "work": ["insert into orders values (1)"]}
# What must be asked for an error to come at all.
ASKED = {"idle_in_transaction_timeout": {"work": ["begin", *USUAL["work"]]}}
# How the server itself is brought to give an error.
PROVOKED = {
    "postgres": {
        "bad_credentials": {"password": "wrong"},
        "missing_database": {"database": "nowhere"},
        "missing_schema": {"work": ["create table nowhere.orders (id int)"]},
        "missing_table": {"work": ["insert into nowhere values (1)"]},
        "unknown_table": {"work": ["drop table nowhere"]},
        "missing_column": {"work": ["insert into orders (nothing) values (1)"]},
        "permission_denied": {"work": ["delete from pg_catalog.pg_authid"]},
        "read_only": {"work": ["set default_transaction_read_only = on", "insert into orders values (1)"]},
        "statement_timeout": {"work": ["set statement_timeout = 50", "insert into orders select 1 from pg_sleep(60)"]},
        "unique_violation": {"work": ["insert into orders values (0)"]},
        "failed_transaction": {"work": ["begin", "!insert into nowhere values (1)", "insert into orders values (1)"]},
        "admin_shutdown": {"work": ["select pg_terminate_backend(pg_backend_pid())"]},
    },
    "mysql": {
        "bad_credentials": {"password": "wrong"},
        "database_denied": {"database": "mysql"},
        "missing_table": {"work": ["insert into nowhere values (1)"]},
        "unknown_table": {"work": ["drop table nowhere"]},
        "missing_column": {"work": ["insert into orders (nothing) values (1)"]},
        "permission_denied": {"work": ["delete from mysql.user"]},
        "read_only_transaction": {"work": ["start transaction read only", "insert into orders values (1)"]},
        "statement_timeout": {"work": ["set max_statement_time = 0.05", "insert into orders select sleep(60)"]},
        "unique_violation": {"work": ["insert into orders values (0)"]},
    },
    "redis": {"bad_credentials": {"password": "wrong"}, "not_authenticated": {"password": None}},
}


def tell(method, path, body=None):
    line = http.client.HTTPConnection(admin, timeout=10)
    line.request(method, path, body, {"Content-Type": "application/yaml"} if body else {})
    answer = line.getresponse()
    said = answer.read().decode()
    if answer.status != 200:
        sys.exit(f"{method} {path} {body}: {answer.status} {said}")


def with_psycopg(host, port, password, database, work):
    try:
        login = f"host={host} port={port} user=web password={password} dbname={database}"
        with psycopg.connect(login, autocommit=True) as session:
            for statement in work:
                try:
                    session.execute(statement.removeprefix("!"))
                except psycopg.Error:
                    if not statement.startswith("!"):
                        raise
    except psycopg.Error as error:
        return type(error).__name__, error.sqlstate


def with_asyncpg(host, port, password, database, work):
    async def run():
        session = await asyncpg.connect(host=host, port=int(port), user="web", password=password, database=database)
        try:
            for statement in work:
                try:
                    await session.execute(statement.removeprefix("!"))
                except asyncpg.PostgresError:
                    if not statement.startswith("!"):
                        raise
        finally:
            session.terminate()

    try:
        asyncio.run(run())
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return type(error).__name__, getattr(error, "sqlstate", None)


def with_pymysql(host, port, password, database, work):
    try:
        session = pymysql.connect(host=host, port=int(port), user="web", password=password, database=database)
        for statement in work:
            session.cursor().execute(statement)
    except pymysql.MySQLError as error:
        return type(error).__name__, error.args[0]


def with_redis(host, port, password, **_):
    client = redis.Redis(host=host, port=int(port), password=password, retry=Retry(NoBackoff(), 0), protocol=2)
    try:
        client.set("cart:1", "x")
    except redis.RedisError as error:
        return type(error).__name__, str(error).split()[0]
    finally:
        client.close()


clients = {
    "postgres": [("psycopg", with_psycopg), ("asyncpg", with_asyncpg)],
    "mysql": [("PyMySQL", with_pymysql)],
    "redis": [("redis-py", with_redis)],
}
for line in sys.stdin:
    protocol, name, when = line.split()
    match = ", match: {sql: write}" if when == "command" else ""
    tell("POST", "/api/v1/faults", f"faults: {{e: {{where: {{listener: {protocol}{match}}}, for: 1m, do: {{abort: {{error: {name}}}}}}}}}")
    provoked = PROVOKED[protocol].get(name)
    for client, ask in clients[protocol]:
        seen = ask(*proxied[protocol], **{**USUAL, **ASKED.get(name, {})}) or ["nothing"]
        print(protocol, name, client, *seen)
        if provoked and (real := ask(*direct[protocol], **{**USUAL, **provoked})) != seen:
            sys.exit(f"{name}: {client} sees {seen} through the proxy, and {real} of the server itself")
    tell("DELETE", "/api/v1/faults/e")
