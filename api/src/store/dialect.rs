//! What SQLite and PostgreSQL write differently. Statements are written once, with `?` for parameters and these words:
//!
//! * `NOW()`: the database's time in milliseconds since the epoch, so that leases do not depend on the clocks of
//!   several machines;
//! * `FOR_UPDATE`: rows that are read are locked until the transaction ends. In SQLite a transaction has the whole
//!   database;
//! * `SKIP_LOCKED`: the same, without rows that somebody else has;
//! * `QUOTED_PRICE`: the price in the columns `escrow` or `payment`, which are JSON.

use std::fmt::Write;

use sqlx::AssertSqlSafe;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// A statement as this database takes it. `text` is ours: what users wrote comes as parameters.
    pub fn sql(self, text: &str) -> AssertSqlSafe<String> {
        let text = self.words().into_iter().fold(text.to_owned(), |text, (word, sql)| text.replace(word, sql));
        AssertSqlSafe(if self == Self::Postgres { numbered(&text) } else { text })
    }

    fn words(self) -> [(&'static str, &'static str); 4] {
        match self {
            Self::Sqlite => [
                ("NOW()", "CAST(unixepoch('subsec') * 1000 AS INTEGER)"),
                ("FOR_UPDATE", ""),
                ("SKIP_LOCKED", ""),
                ("QUOTED_PRICE", "COALESCE(json_extract(escrow, '$.quote.price'), json_extract(payment, '$.amount'))"),
            ],
            Self::Postgres => [
                ("NOW()", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"),
                ("FOR_UPDATE", "FOR UPDATE"),
                ("SKIP_LOCKED", "FOR UPDATE SKIP LOCKED"),
                (
                    "QUOTED_PRICE",
                    "COALESCE(CAST(escrow AS JSON) #>> '{quote,price}', CAST(payment AS JSON) #>> '{amount}')",
                ),
            ],
        }
    }
}

/// `?` as `$1`, `$2` and so on.
fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut sql = parts.next().unwrap_or_default().to_owned();
    for (i, part) in parts.enumerate() {
        let _ = write!(sql, "${}{part}", i + 1); // writing to a String cannot fail
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_written_once() {
        let text = "SELECT a FROM b WHERE c = ? AND d < NOW() - ? LIMIT 1 SKIP_LOCKED";
        assert_eq!(Dialect::Sqlite.sql(text).0.matches('?').count(), 2);
        let sql = Dialect::Postgres.sql(text).0;
        assert!(sql.contains("c = $1") && sql.contains("- $2 LIMIT 1 FOR UPDATE SKIP LOCKED"), "{sql}");
    }
}
