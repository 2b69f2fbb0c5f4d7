"""What an application does with SQLAlchemy, on PostgreSQL or MySQL: `with_sqlalchemy.py postgresql+psycopg HOST PORT`."""

import sys
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import ForeignKey, String, create_engine, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

driver, host, port = sys.argv[1:]
engine = create_engine(f"{driver}://web:secret@{host}:{port}/shop", pool_size=2, max_overflow=2, pool_pre_ping=True)


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    visits: Mapped[int] = mapped_column(default=0)
    orders: Mapped[list["Order"]] = relationship(back_populates="customer", cascade="all, delete-orphan")


class Order(Base):
    __tablename__ = "customer_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    item: Mapped[str] = mapped_column(String(80))
    customer: Mapped[Customer] = relationship(back_populates="orders")


Base.metadata.drop_all(engine)
Base.metadata.create_all(engine)
with Session(engine) as session, session.begin():
    for n in range(20):
        session.add(Customer(name=f"customer {n}", orders=[Order(item=f"item {m}") for m in range(n)]))
with Session(engine) as session:
    most = select(Customer.name, func.count(Order.id)).join(Order).group_by(Customer.name).order_by(func.count(Order.id).desc())
    print(session.execute(most.limit(3)).all())
try:
    with Session(engine) as session, session.begin():
        session.add(Customer(name="new"))
        session.flush()
        session.add(Customer(name="customer 1"))
except IntegrityError as error:
    print(type(error).__name__, type(error.orig).__name__)
with Session(engine) as session:
    print(session.scalar(select(func.count(Customer.id))))


def visit(n):
    with Session(engine) as session, session.begin():
        session.execute(update(Customer).where(Customer.id == n % 20 + 1).values(visits=Customer.visits + 1))


with ThreadPoolExecutor(8) as threads:
    list(threads.map(visit, range(100)))
with Session(engine) as session:
    print(session.scalars(select(Customer.visits).order_by(Customer.id)).all())
Base.metadata.drop_all(engine)
engine.dispose()
