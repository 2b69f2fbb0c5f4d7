"""Drives the proxy with `toxiproxy-python`, which knows nothing of us. Arguments: where the API is, and where a server is that
sends back what it gets. Says `well` at its end; anything that is not as it should be is an exception."""

import socket
import sys
import time

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

api, upstream = sys.argv[1:]
host, port = api.rsplit(":", 1)
server = Toxiproxy()
server.update_api_consumer(host, int(port))


def connect(proxy):
    host, port = proxy.listen.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=30)


def echo(connection, text=b"ping"):
    begun = time.monotonic()
    connection.sendall(text)
    heard = b""
    while len(heard) < len(text):
        part = connection.recv(1024)
        if not part:
            break
        heard += part
    return heard, time.monotonic() - begun


def refuses(error, do):
    try:
        do()
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


assert server.running() and b"2.12.0" in server.version()
proxy = server.create(name="redis", upstream=upstream)
assert proxy.enabled and not proxy.listen.endswith(":0"), proxy.listen
refuses(ProxyExists, lambda: server.create(name="redis", upstream=upstream))
standing = connect(proxy)
assert echo(standing)[0] == b"ping"

proxy.add_toxic(type="latency", attributes={"latency": 300, "jitter": 0})
assert proxy.get_toxic("latency_downstream").attributes["latency"] == 300
heard, took = echo(standing)
assert heard == b"ping" and took >= 0.3, took
refuses(ProxyExists, lambda: proxy.add_toxic(type="latency"))
refuses(InvalidToxic, lambda: proxy.add_toxic(type="explode"))
assert proxy.destroy_toxic("latency_downstream")
refuses(NotFound, lambda: proxy.destroy_toxic("latency_downstream"))
proxy.add_toxic(name="cut", type="limit_data", stream="downstream", toxicity=1, attributes={"bytes": 2})
assert echo(connect(proxy))[0] == b"pi"
assert list(proxy.toxics()) == ["cut"] and proxy.get_toxic("cut").stream == "downstream"

server.reset()
assert proxy.toxics() == {}
assert echo(connect(proxy))[0] == b"ping"
with proxy.down():
    try:
        connect(proxy)
        raise AssertionError("it is down")
    except ConnectionRefusedError:
        pass
assert echo(connect(proxy))[0] == b"ping"

more = server.populate([{"name": "a", "upstream": upstream, "listen": "127.0.0.1:0"}, {"name": "b", "upstream": upstream}])
assert [proxy.name for proxy in more] == ["a", "b"] and echo(connect(more[0]))[0] == b"ping"
server.destroy_all()
assert server.proxies() == {} and server.get_proxy("redis") is None
print("well")
