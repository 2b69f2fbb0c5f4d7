//! The SQL that the demo's database understands, from text to statements. What they do is in `query`.

use super::{reader::Reader, refusal::Refusal, tokens::tokens, values::Value};

/// A statement, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// Nothing between two semicolons.
    Empty,
    /// `select 1`.
    Literal(i64),
    /// `select version()`.
    Version,
    /// `select count(*) from orders ...`.
    Count(Filter),
    /// `select ... from orders ...`.
    Select(Vec<Field>, Filter),
    /// `insert into orders (item, quantity) values ... [returning ...]`.
    Insert(Vec<NewOrder>, Vec<Field>),
    Begin,
    Commit,
    Rollback,
    /// `set ...`: accepted and without effect, because drivers say it unasked.
    Set,
    /// `show NAME`.
    Show(String),
}

/// A column of `orders`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Item,
    Quantity,
    Created,
}

/// Which orders: `where id = ...`, `order by id desc`, `limit ...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) id: Option<Value>,
    pub(super) descending: bool,
    pub(super) limit: Option<Value>,
}

/// One row of an insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewOrder {
    pub(super) item: Value,
    pub(super) quantity: Value,
}

/// What every refusal for an unknown statement or table says.
pub(super) const HINT: &str = "This demo has one table, orders (id bigint, item text, quantity integer, created timestamptz), \
     and understands: select <columns>|*|count(*) from orders [where id = N] [order by id [asc|desc]] [limit N]; \
     insert into orders (item, quantity) values ('tea', 1) [returning <columns>|*]; \
     select 1; select version(); begin, commit, rollback; show <setting>.";

/// Reads all statements of a text; one that cannot be read refuses them all, as PostgreSQL does.
pub(super) fn parse(sql: &str) -> Result<Vec<Statement>, Refusal> {
    let tokens = tokens(sql)?;
    statements(&mut Reader::new(&tokens)).map_err(|refusal| {
        let refusal = match tokens.iter().any(|(token, _)| token.names_catalogue()) {
            true => Refusal::new("0A000", NO_CATALOGUE),
            false => refusal,
        };
        Refusal {
            hint: Some(HINT),
            ..refusal
        }
    })
}

/// What `\d` and its like are told: they ask tables that only a real PostgreSQL has.
const NO_CATALOGUE: &str = "this demo's database has no system catalogue, so \\d and its like cannot work";

/// The columns in the order of the table.
const ALL: [Field; 4] = [Field::Id, Field::Item, Field::Quantity, Field::Created];

fn statements(sql: &mut Reader<'_>) -> Result<Vec<Statement>, Refusal> {
    let mut statements = Vec::new();
    loop {
        if !sql.at_end() {
            statements.push(statement(sql)?);
        }
        if !sql.takes_symbol(';') {
            break;
        }
    }
    sql.nothing_more()?;
    Ok(statements)
}

fn statement(sql: &mut Reader<'_>) -> Result<Statement, Refusal> {
    if sql.takes("select") {
        select(sql)
    } else if sql.takes("insert") {
        insert(sql)
    } else if sql.takes("begin") || sql.takes("start") {
        // Options, such as an isolation level, make no difference to one table in memory.
        sql.skip_to_end();
        Ok(Statement::Begin)
    } else if sql.takes("commit") || sql.takes("end") {
        end_of_block(sql, Statement::Commit)
    } else if sql.takes("rollback") || sql.takes("abort") {
        end_of_block(sql, Statement::Rollback)
    } else if sql.takes("set") {
        sql.skip_to_end();
        Ok(Statement::Set)
    } else if sql.takes("show") {
        sql.name().map(Statement::Show)
    } else {
        Err(sql.unexpected())
    }
}

/// Does not read on to `rollback to savepoint`: what is left over is refused, and not more undone than was asked.
fn end_of_block(sql: &mut Reader<'_>, statement: Statement) -> Result<Statement, Refusal> {
    let _ = sql.takes("work") || sql.takes("transaction");
    Ok(statement)
}

fn select(sql: &mut Reader<'_>) -> Result<Statement, Refusal> {
    if let Some(n) = sql.takes_number() {
        return Ok(Statement::Literal(n));
    }
    if sql.takes("version") {
        sql.symbols("()")?;
        return Ok(Statement::Version);
    }
    if sql.takes("count") {
        sql.symbols("(*)")?;
        from_orders(sql)?;
        return Ok(Statement::Count(filter(sql)?));
    }
    let fields = fields(sql)?;
    from_orders(sql)?;
    Ok(Statement::Select(fields, filter(sql)?))
}

fn from_orders(sql: &mut Reader<'_>) -> Result<(), Refusal> {
    sql.word("from")?;
    table(sql)
}

fn insert(sql: &mut Reader<'_>) -> Result<Statement, Refusal> {
    sql.word("into")?;
    table(sql)?;
    sql.symbol('(')?;
    let item_first = sql.takes("item");
    if !item_first {
        sql.word("quantity")?;
    }
    sql.symbol(',')?;
    sql.word(if item_first { "quantity" } else { "item" })?;
    sql.symbol(')')?;
    sql.word("values")?;
    let mut rows = vec![new_order(sql, item_first)?];
    while sql.takes_symbol(',') {
        rows.push(new_order(sql, item_first)?);
    }
    let returning = match sql.takes("returning") {
        true => fields(sql)?,
        false => Vec::new(),
    };
    Ok(Statement::Insert(rows, returning))
}

fn new_order(sql: &mut Reader<'_>, item_first: bool) -> Result<NewOrder, Refusal> {
    sql.symbol('(')?;
    let first = sql.value()?;
    sql.symbol(',')?;
    let second = sql.value()?;
    sql.symbol(')')?;
    let (item, quantity) = if item_first {
        (first, second)
    } else {
        (second, first)
    };
    Ok(NewOrder { item, quantity })
}

fn filter(sql: &mut Reader<'_>) -> Result<Filter, Refusal> {
    let mut filter = Filter::default();
    if sql.takes("where") {
        id(sql)?;
        sql.symbol('=')?;
        filter.id = Some(sql.value()?);
    }
    if sql.takes("order") {
        sql.word("by")?;
        id(sql)?;
        filter.descending = !sql.takes("asc") && sql.takes("desc");
    }
    if sql.takes("limit") {
        filter.limit = Some(sql.value()?);
    }
    Ok(filter)
}

/// The table's name: there is but one.
fn table(sql: &mut Reader<'_>) -> Result<(), Refusal> {
    let (position, mut name) = (sql.position(), sql.name()?);
    if name == "public" && sql.takes_symbol('.') {
        name = sql.name()?;
    }
    match name.as_str() {
        "orders" => Ok(()),
        _ => Err(Refusal {
            position,
            ..Refusal::new("42P01", format!("relation \"{name}\" does not exist"))
        }),
    }
}

fn fields(sql: &mut Reader<'_>) -> Result<Vec<Field>, Refusal> {
    if sql.takes_symbol('*') {
        return Ok(ALL.to_vec());
    }
    let mut fields = vec![field(sql)?];
    while sql.takes_symbol(',') {
        fields.push(field(sql)?);
    }
    Ok(fields)
}

/// A column's name, which may be led by its table's.
fn field(sql: &mut Reader<'_>) -> Result<Field, Refusal> {
    let (position, mut name) = (sql.position(), sql.name()?);
    if name == "orders" && sql.takes_symbol('.') {
        name = sql.name()?;
    }
    ALL.into_iter()
        .find(|field| field.name() == name)
        .ok_or_else(|| Refusal {
            position,
            ..Refusal::new("42703", format!("column \"{name}\" does not exist"))
        })
}

/// The one column that selects and sorts.
fn id(sql: &mut Reader<'_>) -> Result<(), Refusal> {
    if sql.takes("orders") {
        sql.symbol('.')?;
    }
    sql.word("id")
}

impl Field {
    /// The column's name in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Item => "item",
            Self::Quantity => "quantity",
            Self::Created => "created",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_read_in_any_dress() {
        let check = |sql: &str, expected: Statement| assert_eq!(parse(sql), Ok(vec![expected]), "{sql}");
        let newest = |limit| Filter {
            descending: true,
            limit: Some(limit),
            ..Filter::default()
        };
        check("select 1", Statement::Literal(1));
        check("SELECT version();", Statement::Version);
        check(
            "select * from orders",
            Statement::Select(ALL.to_vec(), Filter::default()),
        );
        check(
            "select id, \"item\" from public.orders order by orders.id desc limit 5 -- newest",
            Statement::Select(vec![Field::Id, Field::Item], newest(Value::Int(5))),
        );
        check(
            "/* by hand */ Select count(*) From Orders Where id = $1",
            Statement::Count(Filter {
                id: Some(Value::Parameter(1)),
                ..Filter::default()
            }),
        );
        let tea = NewOrder {
            item: Value::Text("it's tea".into()),
            quantity: Value::Int(2),
        };
        check(
            "insert into orders (item, quantity) values ('it''s tea', 2) returning id",
            Statement::Insert(vec![tea.clone()], vec![Field::Id]),
        );
        check(
            "insert into orders (quantity, item) values (2, 'it''s tea'), (2, 'it''s tea')",
            Statement::Insert(vec![tea.clone(), tea], vec![]),
        );
        check("start transaction isolation level serializable", Statement::Begin);
        check("rollback work", Statement::Rollback);
        check("set extra_float_digits = 3", Statement::Set);
        check("show server_version", Statement::Show("server_version".into()));
    }

    #[test]
    fn a_text_may_hold_several_statements_or_none() {
        assert_eq!(parse(" ; ;"), Ok(vec![]));
        assert_eq!(
            parse("begin; select 1; commit"),
            Ok(vec![Statement::Begin, Statement::Literal(1), Statement::Commit])
        );
    }

    #[test]
    fn what_is_not_understood_says_where_and_what_is() {
        let check = |sql: &str, code, message: &str, position| {
            let refusal = parse(sql).unwrap_err();
            assert_eq!(
                (refusal.code, refusal.message.as_str(), refusal.position),
                (code, message, position),
                "{sql}"
            );
            assert_eq!(refusal.hint, Some(HINT), "{sql}");
        };
        let near = |what| format!("syntax error at or near \"{what}\"");
        check("delete from orders", "42601", &near("delete"), Some(1));
        check("select 1 + 1", "42601", &near("+"), Some(10));
        check(
            "select * from orders where",
            "42601",
            "syntax error at end of input",
            None,
        );
        check(
            "select * from orders where item = 'x'",
            "42601",
            &near("item"),
            Some(28),
        );
        check("rollback to savepoint s", "42601", &near("to"), Some(10));
        check(
            "select * from users",
            "42P01",
            "relation \"users\" does not exist",
            Some(15),
        );
        check(
            "select price from orders",
            "42703",
            "column \"price\" does not exist",
            Some(8),
        );
    }

    #[test]
    fn the_catalogue_is_refused_in_its_own_words() {
        let check = |sql: &str| {
            let refusal = parse(sql).unwrap_err();
            assert_eq!(refusal.code, "0A000", "{sql}");
            assert!(refusal.message.contains("\\d"), "{}", refusal.message);
        };
        check("SELECT n.nspname as \"Schema\" FROM pg_catalog.pg_class c WHERE c.relkind IN ('r','p','')");
        check("select * from information_schema.tables");
    }
}
