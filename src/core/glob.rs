//! Patterns of names: `*` stands for any characters, `?` for one. Nothing else is special, and nothing is decoded: a
//! pattern is compared with the name as the server keeps it.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// A pattern, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    /// What stands between the stars; one piece if there is none.
    pieces: Vec<Piece>,
    text: String,
}

/// Characters in a row; `?` is nothing in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    characters: Vec<Option<char>>,
    /// Where to go on comparing after the so many-th character was no match. Nothing if there is a `?` in it, of which
    /// no such thing can be said.
    steps: Option<Vec<usize>>,
}

impl Glob {
    /// A pattern for names that are taken byte for byte.
    pub fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(Piece::new).collect(), text: pattern.to_owned() }
    }

    /// A pattern for names of databases, which are Unicode NFC.
    pub fn normalised(pattern: &str) -> Self {
        Self::new(&pattern.nfc().collect::<String>())
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole name is as the pattern says. Never goes back behind a star that has found its piece, so that
    /// the time is linear in both lengths, but for pieces with a `?`, which are tried place by place.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let Some((first, others)) = self.pieces.split_first() else { return false };
        let Some((last, between)) = others.split_last() else {
            return first.len() == name.len() && first.starts(&name);
        };
        // The ends stand where they stand; each piece between takes the first place that is left for it.
        if name.len() < first.len() + last.len() || !first.starts(&name) {
            return false;
        }
        let end = name.len() - last.len();
        let mut at = first.len();
        for piece in between {
            match piece.find(&name[at..end]) {
                Some(after) => at += after,
                None => return false,
            }
        }
        last.starts(&name[end..])
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Piece {
    fn new(text: &str) -> Self {
        let characters: Vec<_> = text.chars().map(|c| (c != '?').then_some(c)).collect();
        let steps = characters.iter().all(Option::is_some).then(|| steps(&characters));
        Self { characters, steps }
    }

    fn len(&self) -> usize {
        self.characters.len()
    }

    fn starts(&self, name: &[char]) -> bool {
        self.len() <= name.len() && self.characters.iter().zip(name).all(|(ours, c)| fits(*ours, *c))
    }

    /// Behind the first place where it stands.
    fn find(&self, name: &[char]) -> Option<usize> {
        let Some(steps) = &self.steps else {
            return (0..=name.len().checked_sub(self.len())?)
                .find(|at| self.starts(&name[*at..]))
                .map(|at| at + self.len());
        };
        // Knuth, Morris and Pratt: no character of the name is looked at twice for want of memory.
        let mut found = 0;
        for (at, c) in name.iter().enumerate() {
            if found == self.len() {
                return Some(at);
            }
            while found > 0 && !fits(self.characters[found], *c) {
                found = steps[found - 1];
            }
            if fits(self.characters[found], *c) {
                found += 1;
            }
        }
        (found == self.len()).then_some(name.len())
    }
}

fn fits(ours: Option<char>, c: char) -> bool {
    ours.is_none_or(|ours| ours == c)
}

/// For each start of the piece, how long the longest proper start of it is that it also ends with.
fn steps(characters: &[Option<char>]) -> Vec<usize> {
    let mut steps = vec![0; characters.len()];
    let mut found = 0;
    for at in 1..characters.len() {
        while found > 0 && characters[at] != characters[found] {
            found = steps[found - 1];
        }
        if characters[at] == characters[found] {
            found += 1;
        }
        steps[at] = found;
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same said without any care for time.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((&'*', rest)), _) => (0..=name.len()).any(|at| naive(rest, &name[at..])),
            (Some((&'?', rest)), Some((_, left))) => naive(rest, left),
            (Some((c, rest)), Some((d, left))) => c == d && naive(rest, left),
            _ => false,
        }
    }

    fn characters(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_definition_says(pattern in "[ab*?]{0,10}", name in "[abc]{0,12}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&name), naive(&characters(&pattern), &characters(&name)));
        }

        #[test]
        fn a_name_without_special_characters_is_a_pattern_for_itself_alone(name in "[^*?]{0,20}", other in ".{0,20}") {
            prop_assert!(Glob::new(&name).matches(&name));
            prop_assert_eq!(Glob::new(&name).matches(&other), name == other);
        }

        #[test]
        fn a_star_in_front_and_behind_finds_every_part(name in "\\PC{0,30}", from in 0_usize..30, to in 0_usize..30) {
            let all = characters(&name);
            let (from, to) = (from.min(all.len()), to.min(all.len()));
            let part: String = all[from.min(to)..from.max(to)].iter().collect();
            let pattern = format!("*{part}*");
            prop_assert!(Glob::new(&pattern).matches(&name), "{}", pattern);
        }
    }

    #[test]
    fn only_the_star_and_the_question_mark_are_special_and_nothing_is_decoded() {
        for (pattern, name, expected) in [
            ("shop-*", "shop-a", true),
            ("shop-*", "shop-", true),
            ("shop-*", "Shop-a", false),
            ("shop-*", "xshop-a", false),
            ("shop-*", "shop-a/../billing", true),
            ("shop-?", "shop-é", true),
            ("shop-?", "shop-", false),
            ("shop%2F*", "shop/a", false),
            ("shop/*", "shop%2Fa", false),
            ("shop%2F*", "shop%2Fa", true),
            ("shop\\*", "shop*", false),
            ("shop\\*", "shop\\a", true),
            ("[ab]", "a", false),
            ("{a,b}", "a", false),
            ("a|b", "a", false),
            (".*", "abc", false),
            ("^a$", "a", false),
            ("**", "", true),
            ("?*", "", false),
            ("a*a", "a", false),
            ("", "", true),
            ("", "a", false),
            ("a\u{0}b", "a\u{0}b", true),
            // Right-to-left marks and look-alikes are characters like any other.
            ("shop-*", "sh\u{43e}p-a", false),
            ("shop-*", "\u{202e}shop-a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern:?} on {name:?}");
        }
    }

    #[test]
    fn a_databases_pattern_is_brought_to_nfc_like_its_name_and_a_users_is_not() {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
        assert!(Glob::normalised(decomposed).matches(composed));
        assert!(Glob::normalised("caf?").matches(composed));
        assert!(!Glob::new(decomposed).matches(composed));
        assert!(!Glob::new("caf?").matches(decomposed));
    }
}
