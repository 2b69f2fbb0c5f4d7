//! The name that was probably meant, where one is written that nothing has.

/// Names are compared with so many others at most, and only where they are short: each comparison takes the product of
/// their lengths.
const COMPARED: usize = 1000;

/// See [`COMPARED`].
const LONGEST: usize = 100;

/// The name that was probably meant: at most one slip in three characters away.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let name = plain(name);
    let slips = |other: &str| strsim::damerau_levenshtein(&name, &plain(other));
    let short = known
        .into_iter()
        .take(COMPARED)
        .filter(|other| other.len() <= LONGEST && name.len() <= LONGEST);
    let (slips, near) = short
        .map(|other| (slips(other), other))
        .min_by_key(|(slips, _)| *slips)?;
    let longest = name.chars().count().max(near.chars().count());
    (slips * 3 <= longest).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_slip_away_or_none() {
        let check = |name: &str, expected: Option<&str>| {
            let known = ["least_request", "round_robin", "timeout", "bind", "on"];
            assert_eq!(nearest(name, known), expected, "{name}");
        };
        check("least_requests", Some("least_request"));
        check("roundRobin", Some("round_robin"));
        check("tiemout", Some("timeout"));
        check("binf", Some("bind"));
        check("cluster", None);
        check("no", None);
    }
}
