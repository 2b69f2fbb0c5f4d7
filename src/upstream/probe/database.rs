//! A login to a database, and the question whether it is a primary or a replica.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trouble::Trouble;
use crate::upstream::Replication;

/// Logs in to PostgreSQL and asks `pg_is_in_recovery()`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresProbe {
    /// Who logs in. It needs no right but to connect.
    pub user: String,
    /// The database. Default: that of the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The password. Default: none. Whoever reads the document reads it: `password_file` keeps it apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A file with nothing but the password, relative to the document. It is read again on a reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// Logs in to MySQL or MariaDB and asks for `@@global.read_only`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MysqlProbe {
    /// Who logs in. It needs no right but to connect.
    pub user: String,
    /// The password. Default: none. Whoever reads the document reads it: `password_file` keeps it apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A file with nothing but the password, relative to the document. It is read again on a reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// Asks Redis for `PING` and `INFO replication`, after `AUTH` where a password is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisProbe {
    /// Who logs in, where a password is given. Default: the user `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password. Default: none. Whoever reads the document reads it: `password_file` keeps it apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A file with nothing but the password, relative to the document. It is read again on a reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// How a health check proves who it is.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Who it is; nothing where the protocol has a default.
    pub user: Option<&'a str>,
    /// The password, as written.
    pub password: Option<&'a str>,
    /// The file that has it.
    pub password_file: Option<&'a PathBuf>,
}

impl PostgresProbe {
    /// The question.
    pub const QUESTION: &str = "select pg_catalog.pg_is_in_recovery()";

    /// Judges the answer to it.
    pub fn judge(answer: Option<&str>) -> Result<Replication, Trouble> {
        match answer {
            Some("f") => Ok(Replication::Primary),
            Some("t") => Ok(Replication::Replica),
            _ => Err(Trouble::Broken("no answer to pg_is_in_recovery()".into())),
        }
    }
}

impl MysqlProbe {
    /// The question.
    pub const QUESTION: &str = "select @@global.read_only";

    /// Judges the answer to it: `0` or `OFF`; anything else (`ON`, a level) keeps writes out.
    pub fn judge(answer: &str) -> Replication {
        match answer {
            "0" | "OFF" => Replication::Primary,
            _ => Replication::Replica,
        }
    }
}

impl RedisProbe {
    /// What is asked, in this order; the last answer is judged.
    pub fn questions(&self, password: Option<&str>) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let login = password.map(|password| match &self.user {
            Some(user) => words(&["AUTH", user, password]),
            None => words(&["AUTH", password]),
        });
        // PING fails where the server is not ready to serve, which INFO does not mind.
        let asked = [words(&["PING"]), words(&["INFO", "replication"])];
        login.into_iter().chain(asked).collect()
    }

    /// Judges the answer to INFO.
    pub fn judge(answer: &str) -> Result<Replication, Trouble> {
        let role = answer.lines().find_map(|line| line.strip_prefix("role:"));
        match role.map(str::trim) {
            Some("master") => Ok(Replication::Primary),
            Some("slave" | "replica") => Ok(Replication::Replica),
            _ => Err(Trouble::Broken("INFO says no role".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_good_bad_and_half() {
        let broken = |judged: Result<_, _>| matches!(judged, Err(Trouble::Broken(_)));
        assert_eq!(PostgresProbe::judge(Some("f")), Ok(Replication::Primary));
        assert_eq!(PostgresProbe::judge(Some("t")), Ok(Replication::Replica));
        assert!(broken(PostgresProbe::judge(None)) && broken(PostgresProbe::judge(Some("maybe"))));
        for (answer, is) in [("0", Replication::Primary), ("OFF", Replication::Primary)] {
            assert_eq!(MysqlProbe::judge(answer), is);
        }
        for answer in ["1", "ON", "NO_LOCK_NO_ADMIN", ""] {
            assert_eq!(MysqlProbe::judge(answer), Replication::Replica, "{answer}");
        }
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n";
        assert_eq!(RedisProbe::judge(info), Ok(Replication::Primary));
        let info = "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\n";
        assert_eq!(RedisProbe::judge(info), Ok(Replication::Replica));
        assert!(broken(RedisProbe::judge("")) && broken(RedisProbe::judge("role:queen\r\n")));
    }

    #[test]
    fn redis_is_asked_with_a_password_only_where_there_is_one() {
        let probe = RedisProbe::default();
        assert_eq!(probe.questions(None).len(), 2);
        assert_eq!(probe.questions(Some("x"))[0], ["AUTH", "x"]);
        let probe = RedisProbe {
            user: Some("probe".into()),
            ..probe
        };
        assert_eq!(probe.questions(Some("x"))[0], ["AUTH", "probe", "x"]);
    }
}
