//! Makes a failing sequence shorter.

use std::time::Instant;

/// Leaves parts out for as long as the rest fails, until no single one can be left out or the time is over: first all steps of
/// a sort, which makes each further try short where no fault is needed; then halves, and ever smaller parts (delta debugging).
pub(crate) async fn shrink<T: Clone>(
    steps: &[T],
    sorts: &[&dyn Fn(&T) -> bool],
    until: Instant,
    mut fails: impl AsyncFnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut left = steps.to_vec();
    for is_of in sorts {
        let without: Vec<T> = left.iter().filter(|step| !is_of(step)).cloned().collect();
        if without.len() < left.len() && Instant::now() < until && fails(&without).await {
            left = without;
        }
    }
    let mut parts = 2;
    while left.len() > 1 && Instant::now() < until {
        let size = left.len().div_ceil(parts);
        let mut shorter = None;
        for begin in (0..left.len()).step_by(size) {
            let without: Vec<T> =
                left[..begin].iter().chain(&left[(begin + size).min(left.len())..]).cloned().collect();
            if Instant::now() < until && fails(&without).await {
                shorter = Some(without);
                break;
            }
        }
        match shorter {
            Some(without) => {
                left = without;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(left.len()),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn of_many_steps_those_are_left_without_which_it_does_not_fail() {
        let steps: Vec<u32> = (0..200).collect();
        for needed in [vec![0], vec![199], vec![3, 150], vec![17, 18, 19, 120]] {
            let mut tries = 0;
            let fails = async |steps: &[u32]| {
                tries += 1;
                needed.iter().all(|step| steps.contains(step))
            };
            assert_eq!(shrink(&steps, &[], later(), fails).await, needed);
            assert!(tries < 150, "{tries} tries for {needed:?}");
        }
    }

    #[tokio::test]
    async fn what_is_not_needed_goes_by_its_sort_at_once() {
        let steps: Vec<u32> = (0..200).collect();
        let mut tries = Vec::new();
        let fails = async |steps: &[u32]| {
            tries.push(steps.len());
            steps.contains(&7) && steps.contains(&70)
        };
        let sorts: [&dyn Fn(&u32) -> bool; 2] = [&|step| step % 2 == 0, &|step| *step >= 100];
        assert_eq!(shrink(&steps, &sorts, later(), fails).await, [7, 70]);
        assert_eq!(
            tries[..2],
            [100, 100],
            "the even ones are needed, and the others tried from all that is left"
        );
    }

    #[tokio::test]
    async fn when_the_time_is_over_what_is_left_still_fails() {
        let steps: Vec<u32> = (0..50).collect();
        assert_eq!(shrink(&steps, &[&|_| true], Instant::now(), async |_| true).await, steps);
    }
}
