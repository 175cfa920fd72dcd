//! The page of conditions and reasons.

use super::table;
use crate::core::{Reason, hold::Standing};

/// The condition types: name, where it is, and what it says.
const TYPES: &[[&str; 3]] = &[
    [
        "Ready",
        "all kinds, always",
        "What is declared is there. `kubectl wait --for=condition=Ready` waits for this one.",
    ],
    [
        "Stalled",
        "all kinds, only while it is True",
        "Nothing will change until a person acts. Same reason and message as Ready.",
    ],
    [
        "InSync",
        "ArangoDatabase, ArangoUser, ArangoPermission, where there is something to say",
        "What is on the server is what is declared. While it is False, Ready may be True: options that can't be changed are no reason to act.",
    ],
    [
        "Effective",
        "ArangoPermission, where there is something to say",
        "What is declared is what the user has. While it is False, another right gives more, or takes the use of this one.",
    ],
    [
        "DeploymentChanged",
        "ArangoCluster, only while it is True",
        "Another deployment answers than before, and nothing is taken away there until a person accepts it.",
    ],
    [
        "Maintenance",
        "ArangoCluster, while anything is in maintenance or being switched, or something is wrong with what is asked for",
        "True while something is in maintenance: there is less failover, or none.",
    ],
];

const HEAD: &str = "\
# Conditions and their reasons

Every resource says in its status how it stands. `kubectl describe` shows it, and `kubectl get -o wide` the message of
Ready. The reason is one word out of the closed list below: scripts, alerts and dashboards may match on it. The message is
a sentence for people: it names the object on the server, what failed, and what happens next; its words may change.

## Types

";

const TOOLS: &str = "
A condition that isn't there says nothing. `observedGeneration`, of the status and of each condition, is the generation of
the spec that it is about. A resource that nobody has looked at yet has `Ready=Unknown`, reason `Pending` and
`observedGeneration: -1`, so that nobody takes it for a finished one.

| Ready | what it means | kstatus, Flux | Argo CD | `kubectl wait --for=condition=Ready` |
| --- | --- | --- | --- | --- |
| True | what is declared is there | Current | Healthy | ends |
| Unknown | it waits for something that can come by itself, and goes on when it does | InProgress | Progressing | waits |
| False | a person must act; `Stalled` is True as well | Failed | Degraded | waits |

kstatus (Flux, kpt, Helm) reads these conditions as they are. Argo CD has to be told, by the health checks in `deploy/argocd`:
[GitOps](gitops.md).

## Reasons

The status is that of Ready, or of the condition that has the reason. *Looked at again* is besides every change of the
resource and of what it needs, and besides the comparison with the server in every interval.

";

/// The page.
pub(super) fn page() -> String {
    let types =
        TYPES.iter().map(|[name, place, says]| vec![format!("`{name}`"), (*place).into(), (*says).into()]);
    let reasons = Reason::ALL.iter().map(|reason| {
        let (status, wait) = match reason.standing() {
            Standing::Good => ("True", "Nothing."),
            Standing::Waits => ("Unknown", "Wait; it goes on by itself."),
            Standing::NeedsAPerson => ("False", "What the message says."),
        };
        let again = match (reason.standing(), reason.is_woken()) {
            (Standing::Good, _) => "",
            (_, true) => "when what it waits for changes",
            (_, false) => "after 1 s, then ever more seldom",
        };
        let next = reason.next().unwrap_or(wait);
        vec![format!("`{reason}`"), status.into(), reason.meaning().into(), next.into(), again.into()]
    });
    let types = table(&["type", "where", "what True says"], types);
    let reasons = table(&["reason", "status", "what it means", "what to do", "looked at again"], reasons);
    format!("{HEAD}{types}{TOOLS}{reasons}")
}
