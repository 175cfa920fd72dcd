//! Names of Kubernetes resources for things on a server, whose names may be anything. Pure.
//!
//! The same things always get the same names, in whatever order they come.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longest name that is made, in bytes. Kubernetes takes 253; others put something behind it.
const LENGTH_MAX: usize = 100;

/// A name for each thing, all different. What is a name for Kubernetes already stays as it is; of the others those that
/// would be called the same get a digest of their own name behind it.
pub fn unique(names: &BTreeSet<String>) -> BTreeMap<String, String> {
    let (mut found, mut taken) = (BTreeMap::new(), BTreeSet::new());
    let fits = |name: &&String| name.len() <= LENGTH_MAX && is_subdomain(name);
    for name in names.iter().filter(fits) {
        taken.insert(name.clone());
        found.insert(name.clone(), name.clone());
    }
    let others: Vec<_> = names.iter().filter(|name| !fits(name)).map(|name| (name, plain(name))).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, plain) in &others {
        *counts.entry(plain).or_default() += 1;
    }
    for (name, plain) in &others {
        let digest = hex::encode(Sha256::digest(name.as_bytes()));
        let alone = (counts[plain.as_str()] == 1).then(|| plain.clone());
        let marked = (6..=digest.len()).map(|length| format!("{plain}-{}", &digest[..length]));
        // The last of them is the whole digest: somebody would have to have made the name from it.
        if let Some(free) = alone.into_iter().chain(marked).find(|it| !taken.contains(it)) {
            taken.insert(free.clone());
            found.insert((*name).clone(), free);
        }
    }
    found
}

/// Whether Kubernetes takes it for the name of a resource (RFC 1123, subdomain).
pub fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()].into_iter().all(|b| b.is_some_and(|b| inside(*b)));
        ends && bytes.iter().all(|b| inside(*b) || *b == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A name in letters, digits and dashes that still reminds of the one on the server.
pub fn plain(name: &str) -> String {
    let mut text = String::new();
    for c in name.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ß' => text += "ss",
            c if c.is_ascii_alphanumeric() => text.push(c),
            _ if text.is_empty() || text.ends_with('-') => {}
            _ => text.push('-'),
        }
    }
    text.truncate(LENGTH_MAX);
    let text = text.trim_end_matches('-');
    if text.is_empty() { "x".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(names: &[&str]) -> Vec<(String, String)> {
        unique(&names.iter().map(|name| (*name).to_owned()).collect()).into_iter().collect()
    }

    #[test]
    fn a_name_is_kept_where_it_can_be_and_otherwise_reminds_of_itself() {
        for (name, expected) in [
            ("shop", "shop"),
            ("shop.eu-1", "shop.eu-1"),
            ("Shop_Orders", "shop-orders"),
            ("max.muster@Example.com", "max-muster-example-com"),
            ("Möbelhaus", "mobelhaus"),
            ("Straße", "strasse"),
            ("_x_", "x"),
            ("東京", "x"),
            ("a..b", "a-b"),
        ] {
            assert_eq!(named(&[name]), [(name.to_owned(), expected.to_owned())]);
        }
    }

    #[test]
    fn those_that_would_be_called_the_same_are_told_apart_by_a_digest_and_who_has_the_name_keeps_it() {
        assert_eq!(
            named(&["Alice", "alice"]),
            [("Alice".into(), "alice-3bc510".into()), ("alice".into(), "alice".into())]
        );
        let both = named(&["a_b", "a+b"]);
        assert!(both.iter().all(|(_, name)| name.starts_with("a-b-") && name.len() == 10), "{both:?}");
        // Somebody already has that name.
        assert_eq!(named(&["Alice", "alice", "alice-3bc510"])[0].1, "alice-3bc5106");
    }

    proptest! {
        #[test]
        fn whatever_things_are_called_their_names_are_names_and_differ(names in prop::collection::btree_set("(?s).{0,12}|[aA_b]{1,3}|x{95,300}", 0..12)) {
            let found = unique(&names);
            prop_assert_eq!(found.len(), names.len());
            prop_assert_eq!(found.values().collect::<BTreeSet<_>>().len(), names.len());
            for (name, made) in &found {
                prop_assert!(is_subdomain(made) && made.len() <= LENGTH_MAX + 65, "{:?}: {}", name, made);
                prop_assert!(made == name || !is_subdomain(name) || name.len() > LENGTH_MAX);
            }
        }
    }
}
