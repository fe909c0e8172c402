//! The nearest valid spelling.

/// The word of `all` that is most like `word`, if one is like it.
pub(crate) fn nearest<'a>(word: &str, all: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_ascii_lowercase().replace('-', "_");
    let score = |candidate: &str| strsim::jaro_winkler(&folded, &candidate.to_ascii_lowercase().replace('-', "_"));
    all.into_iter()
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score > 0.82)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, best)| best)
}

/// `did you mean `X`?`
pub(crate) fn did_you_mean<'a>(word: &str, all: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, all).map(|best| format!("did you mean `{best}`?"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("comand", ["command", "start"]), Some("command"));
        assert_eq!(nearest("workingDir", ["working_dir", "start"]), Some("working_dir"));
        assert_eq!(nearest("zzz", ["command", "start"]), None);
    }
}
