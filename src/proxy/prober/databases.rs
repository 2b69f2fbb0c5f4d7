//! How databases are asked: in their own protocol, with a login.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::{alongside, broken};
use crate::{
    net::{ClientTls, Stream},
    upstream::{
        Replication,
        probe::{MysqlProbe, PostgresProbe, RedisProbe, Trouble},
    },
    wire::mysql::{self, Greeting, NoLogin, Said},
};

/// How a check calls itself where the protocol lets it.
const NAME: &str = "chaosproxy-health";

/// The most of an answer that is read.
const MOST: usize = 64 << 10;

/// More packets than a login or an answer of one row has.
const MOST_PACKETS: usize = 16;

/// Codes of MySQL's commands.
const QUERY: u8 = 0x03;
const QUIT: u8 = 0x01;

/// TLS towards a backend, for a protocol in which it begins after the greeting.
pub(super) type Secure<'a> = Option<(&'a ClientTls, &'a str, std::time::Duration)>;

pub(super) async fn ask_postgres(
    probe: &PostgresProbe,
    password: Option<&str>,
    stream: Stream,
) -> Result<Replication, Trouble> {
    let mut config = Config::new();
    config.user(&probe.user).application_name(NAME);
    config.dbname(probe.database.as_ref().unwrap_or(&probe.user));
    if let Some(password) = password {
        config.password(password);
    }
    let (client, mut connection) = config.connect_raw(stream, NoTls).await.map_err(in_words)?;
    let asking = async {
        let rows = client
            .simple_query(PostgresProbe::QUESTION)
            .await
            .map_err(in_words)?;
        let answer = rows.iter().find_map(|row| match row {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        PostgresProbe::judge(answer)
    };
    let judged = alongside(&mut connection, asking).await;
    // The session ends as it should, so that the server's log has nothing to say; the check is judged already.
    drop(client);
    let _ = connection.await;
    judged
}

/// The server's own words where there are any.
fn in_words(error: tokio_postgres::Error) -> Trouble {
    match error.as_db_error() {
        Some(said) => Trouble::TurnedAway(format!(
            "{} {} {}",
            said.severity(),
            said.code().code(),
            said.message()
        )),
        None => broken(error),
    }
}

pub(super) async fn ask_mysql(
    probe: &MysqlProbe,
    password: Option<&str>,
    mut stream: Stream,
    secure: Secure<'_>,
) -> Result<Replication, Trouble> {
    let password = password.unwrap_or_default();
    let (_, payload) = packet(&mut stream).await?;
    let mut greeting = Greeting::read(&payload).map_err(turned_away)?;
    let mut sequence = 1;
    let is_secret = secure.is_some();
    if let Some((tls, host, limit)) = secure {
        stream.write_all(&Greeting::ask_for_tls()).await.map_err(broken)?;
        stream = tls.connect(stream, host, limit).await.map_err(broken)?;
        sequence += 1;
    }
    let login = greeting
        .login(sequence, &probe.user, password)
        .map_err(turned_away)?;
    stream.write_all(&login).await.map_err(broken)?;
    welcome(&mut stream, &mut greeting, password, is_secret).await?;
    stream
        .write_all(&mysql::command(QUERY, MysqlProbe::QUESTION))
        .await
        .map_err(broken)?;
    // The number of columns, one column, the end of the columns, one row.
    let mut row = Vec::new();
    for _ in 0..4 {
        row = packet(&mut stream).await?.1;
        if let Some(error) = mysql::error(&row) {
            return Err(turned_away(error));
        }
    }
    let answer = mysql::first_column(&row).ok_or_else(|| broken(NoLogin::Garbled))?;
    let judged = MysqlProbe::judge(&String::from_utf8_lossy(answer));
    // It is judged already; a server that has gone meanwhile fails the next check.
    let _ = stream.write_all(&mysql::command(QUIT, "")).await;
    Ok(judged)
}

/// Goes through a login to its end.
async fn welcome(
    stream: &mut Stream,
    greeting: &mut Greeting,
    password: &str,
    is_secret: bool,
) -> Result<(), Trouble> {
    for _ in 0..MOST_PACKETS {
        let (sequence, payload) = packet(stream).await?;
        let answer = match greeting.said(&payload, password).map_err(turned_away)? {
            Said::Welcome => return Ok(()),
            Said::Wait => continue,
            Said::Prove(proof) => proof,
            Said::ShowPassword if is_secret => [password.as_bytes(), &[0]].concat(),
            Said::ShowPassword => vec![mysql::ASK_FOR_KEY],
        };
        let packet = mysql::answer(sequence.wrapping_add(1), &answer);
        stream.write_all(&packet).await.map_err(broken)?;
    }
    Err(broken("the login does not end"))
}

/// Reads a packet: its number and what it carries.
async fn packet(stream: &mut Stream) -> Result<(u8, Vec<u8>), Trouble> {
    let [a, b, c, sequence] = {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.map_err(broken)?;
        head
    };
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    if length > MOST {
        return Err(broken(NoLogin::Garbled));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.map_err(broken)?;
    Ok((sequence, payload))
}

fn turned_away(error: NoLogin) -> Trouble {
    match error {
        NoLogin::Garbled => broken(error),
        error => Trouble::TurnedAway(error.to_string()),
    }
}

pub(super) async fn ask_redis(
    probe: &RedisProbe,
    password: Option<&str>,
    mut stream: Stream,
) -> Result<Replication, Trouble> {
    let questions = probe.questions(password);
    let mut asked = String::new();
    for words in &questions {
        asked += &format!("*{}\r\n", words.len());
        asked.extend(words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())));
    }
    stream.write_all(asked.as_bytes()).await.map_err(broken)?;
    let mut reader = BufReader::new(stream.take(MOST as u64));
    let mut last = String::new();
    for _ in &questions {
        last = reply(&mut reader).await?;
    }
    RedisProbe::judge(&last)
}

/// Reads a reply: a line, or a string.
async fn reply(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<String, Trouble> {
    let mut line = String::new();
    reader.read_line(&mut line).await.map_err(broken)?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else {
        return Err(broken("closed before the answer"));
    };
    match kind {
        "+" => Ok(rest.to_owned()),
        "-" => Err(Trouble::TurnedAway(rest.to_owned())),
        "$" => {
            let length: usize = rest.parse().map_err(broken)?;
            let mut text = vec![0; length.min(MOST) + "\r\n".len()];
            reader.read_exact(&mut text).await.map_err(broken)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        _ => Err(broken("this is not Redis's protocol")),
    }
}
