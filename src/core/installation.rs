//! Several installations of the operator on one fleet: whose an ArangoCluster is.
//!
//! An installation is what stands for one Lease. It takes the ArangoClusters that its selector selects, and writes its name
//! into their status. Two that select the same one don't both act: the name that was written last is the one that acts,
//! and whoever sees another name where its own stood yields.

/// Whose an ArangoCluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This installation's.
    Ours,
    /// Not selected: another installation's, or nobody's.
    Elsewhere,
    /// Selected, but another installation has taken it: both select it.
    Yielded,
}

/// What a watch shows of an ArangoCluster.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Whether it is selected.
    pub selected: bool,
    /// The installation that its status names.
    pub by: Option<&'a str>,
}

/// Whose it is now, by what was known of it before, if anything was: whose it was, and whom its status named. `me`: the name
/// of this installation.
pub fn whose(before: Option<(Whose, Option<&str>)>, me: &str, now: Shown<'_>) -> Whose {
    let other = now.by.filter(|by| *by != me);
    match before {
        _ if !now.selected => Whose::Elsewhere,
        Some((Whose::Ours, before)) if other.is_some() && now.by != before => Whose::Yielded,
        Some((Whose::Yielded, _)) if other.is_some() => Whose::Yielded,
        _ => Whose::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "ops/a";
    const OTHER: Option<&str> = Some("ops/b");

    fn seen(steps: &[(bool, Option<&str>)]) -> Whose {
        let mut before = None;
        for (selected, by) in steps {
            before = Some((whose(before, ME, Shown { selected: *selected, by: *by }), *by));
        }
        before.unwrap().0
    }

    #[test]
    fn it_takes_what_it_selects_whoever_had_it_before() {
        for by in [None, Some(ME), OTHER] {
            assert_eq!(seen(&[(true, by)]), Whose::Ours);
            assert_eq!(seen(&[(false, by)]), Whose::Elsewhere);
            assert_eq!(seen(&[(false, OTHER), (true, by)]), Whose::Ours, "it was relabelled");
            assert_eq!(seen(&[(true, Some(ME)), (false, by)]), Whose::Elsewhere, "it was relabelled");
        }
        assert_eq!(seen(&[(true, OTHER), (true, OTHER), (true, Some(ME)), (true, Some(ME))]), Whose::Ours);
    }

    #[test]
    fn whoever_sees_another_name_where_its_own_was_or_was_to_be_yields() {
        for before in [None, Some(ME), Some("ops/old")] {
            assert_eq!(seen(&[(true, before), (true, OTHER)]), Whose::Yielded);
            assert_eq!(seen(&[(true, before), (true, OTHER), (true, OTHER)]), Whose::Yielded);
            assert_eq!(seen(&[(true, before), (true, OTHER), (true, Some("ops/c"))]), Whose::Yielded);
        }
    }

    #[test]
    fn of_two_that_select_the_same_exactly_one_acts_whichever_wrote_first() {
        for names in [["ops/a", "ops/b"], ["ops/b", "ops/a"]] {
            let mut acting = 0;
            for me in ["ops/a", "ops/b"] {
                let mut before = Some((Whose::Ours, None));
                for by in names {
                    before = Some((whose(before, me, Shown { selected: true, by: Some(by) }), Some(by)));
                }
                acting += usize::from(before.unwrap().0 == Whose::Ours);
            }
            assert_eq!(acting, 1, "{names:?}");
        }
    }

    #[test]
    fn what_was_yielded_comes_back_when_the_other_lets_go_or_its_labels_change() {
        let taken = [(true, Some(ME)), (true, OTHER)];
        for back in [&[(true, None)] as &[_], &[(true, Some(ME))], &[(false, OTHER), (true, OTHER)]] {
            assert_eq!(seen(&[&taken, back].concat()), Whose::Ours);
        }
    }
}
