//! The word that was probably meant.

/// The candidate that differs least from a word, if it is close: one typing mistake, or one in every three letters.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = word.chars().count();
    let most = (length / 3).max(1);
    candidates
        // One letter is not meant to be another one.
        .filter(|candidate| length > 1 && candidate.len() > 1)
        .map(|candidate| (mistakes(word, candidate), candidate))
        .filter(|(count, _)| *count <= most)
        .min_by_key(|(count, _)| *count)
        .map(|(_, candidate)| candidate)
}

/// How many letters are missing, too many, wrong or swapped with their neighbour (optimal string alignment).
fn mistakes(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let wrong = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + wrong);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        (before, last) = (last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_seen_through() {
        let words = ["start", "state", "delete", "ps", "f"];
        for (word, expected) in [
            ("strat", Some("start")),
            ("stat", Some("start")),
            ("tsate", Some("state")),
            ("delte", Some("delete")),
            ("deleete", Some("delete")),
            ("p", None),
            ("pss", Some("ps")),
            ("stop", None),
            ("foo", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words.into_iter()), expected, "{word}");
        }
    }
}
