//! Claims: one object on the server, one owner among the resources that declare it.

/// One of the resources that declare the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant<R> {
    /// Which resource.
    pub resource: R,
    /// Whether its status records the claim.
    pub holds: bool,
    /// Whether it is being deleted.
    pub leaving: bool,
    /// When it was created, in seconds since 1970.
    pub created: i64,
}

/// The one that owns: whoever's status records the claim; only where nobody's does, the oldest, then the first by
/// name. Should two record it (a status restored from a backup), one that stays comes before one that goes, whose
/// deletion would take away what the other declares; then the same order decides between them.
pub fn holder<R: Ord>(claimants: impl IntoIterator<Item = Claimant<R>>) -> Option<Claimant<R>> {
    fn rank<R>(claimant: &Claimant<R>) -> (bool, bool, i64, &R) {
        (!claimant.holds, claimant.leaving, claimant.created, &claimant.resource)
    }
    claimants.into_iter().min_by(|a, b| rank(a).cmp(&rank(b)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_holder_does_not_depend_on_the_order_in_which_claimants_are_seen(
            claimants in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_i64..3), 1..6), seed in any::<u64>()
        ) {
            let list: Vec<_> = claimants.iter().enumerate()
                .map(|(resource, (holds, leaving, created))| {
                    Claimant { resource, holds: *holds, leaving: *leaving, created: *created }
                })
                .collect();
            let mut turned = list.clone();
            turned.rotate_left(usize::try_from(seed % 6).unwrap() % list.len());
            prop_assert_eq!(holder(list), holder(turned));
        }
    }

    #[test]
    fn an_older_newcomer_does_not_take_over_what_another_holds() {
        let older = Claimant { resource: "a", holds: false, leaving: false, created: 1 };
        let holding = Claimant { resource: "b", holds: true, leaving: true, created: 2 };
        assert_eq!(holder([older, holding]).unwrap().resource, "b", "not even while it goes");
    }

    #[test]
    fn of_two_that_hold_the_one_that_stays_owns() {
        let leaving = Claimant { resource: "a", holds: true, leaving: true, created: 1 };
        let staying = Claimant { resource: "b", holds: true, leaving: false, created: 2 };
        assert_eq!(holder([leaving, staying]).unwrap().resource, "b");
    }
}
