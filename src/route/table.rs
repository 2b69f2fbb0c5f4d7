//! The routes of a listener, compiled: the first whose match holds is taken.

use super::matcher::{Facts, Match, Matcher};

/// Matchers in the order written.
#[derive(Clone, Debug, Default)]
pub struct Table {
    matchers: Box<[Matcher]>,
    /// Whether the first holds for everything, so that nothing needs to be asked.
    first_takes_all: bool,
}

impl Table {
    /// Compiles the matches of routes in the order written.
    pub fn compile<'a>(matches: impl IntoIterator<Item = &'a Match>) -> Self {
        let matchers: Box<[_]> = matches.into_iter().map(Match::compile).collect();
        let first_takes_all = matchers.first().is_some_and(Matcher::is_empty);
        Self {
            matchers,
            first_takes_all,
        }
    }

    /// The index of the route that an exchange takes; `None` where no match holds.
    pub fn find(&self, facts: &Facts<'_>) -> Option<usize> {
        if self.first_takes_all {
            return Some(0);
        }
        self.matchers.iter().position(|matcher| matcher.holds(facts))
    }

    /// The index of the route that takes everything that comes to it; those behind it are never taken.
    pub fn catch_all(&self) -> Option<usize> {
        self.matchers.iter().position(Matcher::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_first_match_in_the_order_written_is_taken() {
        let check = |matches: Value, path: &str, expected| {
            let matches: Vec<Match> = serde_json::from_value(matches).unwrap();
            let head = Request::get(path).body(()).unwrap().into_parts().0;
            let facts = Facts {
                client: "10.0.0.1".parse().unwrap(),
                tls_name: None,
                head: Some(&head),
                session: None,
                command: None,
            };
            assert_eq!(Table::compile(&matches).find(&facts), expected, "{path}");
        };
        let shop = json!([{"path": "/orders/7"}, {"path": "/orders/**"}, {"method": "POST"}]);
        check(shop.clone(), "/orders/7", Some(0));
        check(shop.clone(), "/orders/8", Some(1));
        check(shop, "/carts", None);
        check(json!([{}, {"path": "/orders"}]), "/orders", Some(0));
        check(json!([{"path": "/orders"}, {}]), "/carts", Some(1));
        check(json!([]), "/", None);
    }

    #[test]
    fn a_route_that_takes_all_is_known() {
        let matches: Vec<Match> =
            serde_json::from_value(json!([{"path": "/a"}, {}, {"path": "/b"}])).unwrap();
        assert_eq!(Table::compile(&matches).catch_all(), Some(1));
    }
}
