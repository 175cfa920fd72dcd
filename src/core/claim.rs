//! Claims: one object on the server, one owner among the resources that declare it.

/// One of the resources that declare the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant<R> {
    /// Which resource.
    pub resource: R,
    /// Whether its status records the claim.
    pub holds: bool,
    /// When it was created, in seconds since 1970.
    pub created: i64,
}

/// The one that owns: whoever's status records the claim; only where nobody's does, the oldest, then the first by
/// name. Should two record it (a status restored from a backup), the same order decides between them.
pub fn holder<R: Ord>(claimants: impl IntoIterator<Item = Claimant<R>>) -> Option<R> {
    claimants
        .into_iter()
        .min_by(|a, b| (!a.holds, a.created, &a.resource).cmp(&(!b.holds, b.created, &b.resource)))
        .map(|claimant| claimant.resource)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_holder_does_not_depend_on_the_order_in_which_claimants_are_seen(
            claimants in proptest::collection::vec((any::<bool>(), 0_i64..3), 1..6), seed in any::<u64>()
        ) {
            let list: Vec<_> = claimants.iter().enumerate()
                .map(|(resource, (holds, created))| Claimant { resource, holds: *holds, created: *created })
                .collect();
            let mut turned = list.clone();
            turned.rotate_left(usize::try_from(seed % 6).unwrap() % list.len());
            prop_assert_eq!(holder(list), holder(turned));
        }
    }

    #[test]
    fn an_older_newcomer_does_not_take_over_what_another_holds() {
        let older = Claimant { resource: "a", holds: false, created: 1 };
        let holding = Claimant { resource: "b", holds: true, created: 2 };
        assert_eq!(holder([older, holding]), Some("b"));
    }
}
