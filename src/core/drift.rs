//! Differences that are not put right: what is said of them.

use super::{
    Hold, Reason, Verdict,
    condition::{ConditionStatus, IN_SYNC, Said, cut},
};

/// The most entries of a list of pending actions; the API server's bound as well.
const PENDING_MAX: usize = 32;

/// Longest entry of that list, in bytes.
const ENTRY_MAX: usize = 500;

/// How many of them the message of a condition repeats.
const TOLD_MAX: usize = 3;

/// The list as the status shows it: cut to its bounds, with the number of those that are left out.
fn listed(mut actions: Vec<String>) -> Vec<String> {
    let all = actions.len();
    if all > PENDING_MAX {
        actions.truncate(PENDING_MAX - 1);
        actions.push(format!("and {} more", all - actions.len()));
    }
    actions.into_iter().map(|action| cut(&action, ENTRY_MAX).to_owned()).collect()
}

/// The verdict where something is to be done and isn't. `what` names the object: "database shop".
pub fn withheld(reason: Reason, what: &str, actions: Vec<String>) -> Verdict {
    let all = actions.len();
    let mut told: Vec<_> = actions.iter().take(TOLD_MAX).cloned().collect();
    if all > TOLD_MAX {
        told.push(format!("and {} more (see status.pending)", all - TOLD_MAX));
    }
    let told = told.join("; ");
    let message = match reason {
        Reason::ServerReadOnly => format!(
            "the {what} is not as declared and the server is in read-only mode; to be done: {told}; going on when it \
             takes writes again"
        ),
        _ => format!(
            "the {what} is not as declared and the drift policy is Observe; not done: {told}; set drift.policy to \
             Correct to have it done, or declare what is there"
        ),
    };
    let said = Said { type_: IN_SYNC, status: ConditionStatus::False, reason, message: message.clone() };
    let verdict = Verdict::from(Hold::new(reason, message));
    Verdict { also: vec![said], pending: listed(actions), ..verdict }
}

/// The verdict where nothing is to be done, with what is to be said beside. What is said of `InSync` there stands for
/// it; otherwise all is the same.
pub fn in_place(what: &str, remarks: Vec<Said>) -> Verdict {
    let verdict = Verdict::ready(format!("{what} is as declared"));
    let mut also = remarks;
    if !also.iter().any(|said| said.type_ == IN_SYNC) {
        let (status, message) = (ConditionStatus::True, "nothing differs".to_owned());
        also.insert(0, Said { type_: IN_SYNC, status, reason: Reason::InSync, message });
    }
    Verdict { also, ..verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("do {n}")).collect()
    }

    #[test]
    fn a_long_list_is_cut_and_says_how_much_is_left_out() {
        assert_eq!(listed(actions(32)), actions(32));
        let long = listed(actions(100));
        assert_eq!((long.len(), &*long[31]), (32, "and 69 more"));
        assert_eq!(listed(vec!["é".repeat(1000)])[0].len(), ENTRY_MAX);
    }

    #[test]
    fn what_is_withheld_is_told_in_the_message_and_in_sync_is_false_for_the_same_reason() {
        let verdict = withheld(Reason::ActionsPending, "database shop", actions(5));
        for part in ["database shop", "do 0; do 1; do 2; and 2 more", "Observe", "Correct"] {
            assert!(verdict.message.contains(part), "{}", verdict.message);
        }
        assert!(!verdict.is_ready() && verdict.pending.len() == 5);
        let said = &verdict.also[0];
        assert_eq!((said.type_, said.status, said.reason), (IN_SYNC, ConditionStatus::False, verdict.reason));
    }

    #[test]
    fn in_place_is_in_sync_unless_a_remark_says_otherwise() {
        let status = |remarks| in_place("database shop", remarks).also[0].status;
        assert_eq!(status(Vec::new()), ConditionStatus::True);
        let differs = Said {
            type_: IN_SYNC,
            status: ConditionStatus::False,
            reason: Reason::OptionsDiffer,
            message: String::new(),
        };
        assert_eq!(status(vec![differs]), ConditionStatus::False);
    }
}
