"""A small web shop: Flask, SQLAlchemy and psycopg.

Two processes run it. `app-source` has the source database and takes orders; `app-replica` has a replica and can only read.
"""

import logging
import os
import sys
import time
from datetime import UTC, datetime

from flask import Flask, abort, jsonify, request
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

NAME = os.environ.get("SHOP_NAME", "app-source")

logging.Formatter.converter = time.gmtime
logging.basicConfig(
    stream=sys.stdout,
    level=logging.INFO,
    format=f"%(asctime)s.%(msecs)03dZ {NAME} %(message)s",
    datefmt="%Y-%m-%dT%H:%M:%S",
)
log = logging.getLogger("shop")
# It says that threads are busy, a line for each request that waits.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)

# `connect_timeout` and `pool_timeout` keep a request from waiting for ever where the database hangs instead of refusing.
# `pool_pre_ping` asks a pooled connection whether it lives before it is lent: a request never pays for one that died
# meanwhile. It does not help while the database cannot be reached: there is nothing to replace the dead connection by.
engine = create_engine(
    os.environ["DATABASE_URL"],
    pool_size=4,
    max_overflow=4,
    pool_timeout=3,
    pool_pre_ping=os.environ.get("SHOP_PRE_PING", "1") == "1",
    connect_args={"connect_timeout": 3, "application_name": NAME},
)


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]  # in cents
    stock: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    placed: Mapped[datetime] = mapped_column(server_default=func.now())


app = Flask(__name__)


@app.get("/")
@app.get("/products")
def products():
    with Session(engine) as session:
        rows = session.scalars(select(Product).order_by(Product.name).limit(20))
        return jsonify([{"id": row.id, "name": row.name, "price": row.price} for row in rows])


@app.get("/products/<int:number>")
def product(number):
    with Session(engine) as session:
        row = session.get(Product, number) or abort(404)
        sold = session.scalar(select(func.sum(Order.quantity)).where(Order.product_id == number))
        return jsonify(id=row.id, name=row.name, price=row.price, in_stock=row.stock > 0, sold=sold or 0)


@app.post("/orders")
def order():
    wanted = request.get_json()
    with Session(engine) as session, session.begin():
        row = session.get(Product, wanted["product"], with_for_update=True) or abort(404)
        if row.stock < wanted["quantity"]:
            abort(409, "out of stock")
        row.stock -= wanted["quantity"]
        placed = Order(product_id=row.id, quantity=wanted["quantity"])
        session.add(placed)
        session.flush()
        number = placed.id
    return jsonify(order=number), 201


@app.get("/healthz")
def health():
    """Says that the process runs. It does not ask the database: that is what kept the original's balancer in the dark."""
    return "ok"


@app.errorhandler(SQLAlchemyError)
def database_failed(error):
    """What users get, and what whoever reads the log needs: the class of the error and the driver's first line."""
    cause = getattr(error, "orig", None) or error
    first = next(iter(str(cause).strip().splitlines()), "")
    log.error("%s %s: %s: %s", request.method, request.path, type(error).__name__, first)
    return jsonify(error="something went wrong, please try again"), 500


@app.after_request
def record(response):
    if request.path != "/healthz":
        took = (datetime.now(UTC) - request.environ["shop.begun"]).total_seconds() * 1000
        log.info("%s %s %d %dms", request.method, request.path, response.status_code, took)
    return response


@app.before_request
def begin():
    request.environ["shop.begun"] = datetime.now(UTC)


@app.cli.command("init-db")
def init_db():
    """Makes the tables and fills the shelves: `flask --app shop init-db`."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        for name, price in [("tea", 450), ("coffee", 690), ("cups", 1250), ("a kettle", 3900), ("biscuits", 320)]:
            session.add(Product(name=name, price=price, stock=1_000_000))
