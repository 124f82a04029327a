//! "Did you mean": the one measure of what is near enough to be meant.

/// The name among `known` that was most likely meant; nothing when none is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let tolerance = (name.chars().count() / 3).max(1);
    let plain = simplified(name);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&plain, &simplified(candidate)), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `forEach`, `for-each` and `for_each` are one word.
fn simplified(name: &str) -> String {
    name.chars().filter(|char| !matches!(char, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The help that goes with it: the nearest name, else all of them when they are few.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// More names than these are a list that nobody reads.
    const FEW: usize = 8;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    (!known.is_empty() && known.len() <= FEW).then(|| format!("there is: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn near_is_a_slip_or_two() {
        let known = ["salesforce", "stripe", "slack"];
        assert_eq!(nearest("salesfroce", known), Some("salesforce"));
        assert_eq!(nearest("Stripe", known), Some("stripe"));
        assert_eq!(nearest("hubspot", known), None);
        assert_eq!(nearest("forEach", ["find", "for_each"]), Some("for_each"));
    }

    #[test]
    fn few_names_are_listed_when_none_is_near() {
        assert_eq!(did_you_mean("hubspot", ["slack", "http"]).unwrap(), "there is: slack, http");
        assert_eq!(did_you_mean("slak", ["slack", "http"]).unwrap(), "did you mean `slack`?");
        assert_eq!(did_you_mean("x", ["aaaa"; 9]), None);
        assert_eq!(did_you_mean("x", []), None);
    }
}
