//! What can be said only when all manifests are there: what declares nothing that could be, what is declared twice, and
//! passwords that nobody could keep.
//!
//! A reference to a resource that is not among the manifests is no fault: it may be declared elsewhere. What waits for it
//! is held, as it would be in a cluster.
//!
//! Resources know where they begin and no more. With each complaint the field is named that it is about.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    Manifests,
    complaint::{Complaint, Location},
    declared::{Declared, Objects},
};
use crate::{
    core::{Hold, Id, Reason},
    kinds::{
        Kind,
        cluster::{crd, reach::Reach},
        user::{User, plan::Source},
    },
};

/// Takes a complaint that stands at the beginning of a resource, and the field that it is about: the first of these that
/// is there.
type Complain<'c> = &'c mut dyn FnMut(Complaint, &[&str]);

/// What gives an object on the server its name.
const NAMED_BY: &[&str] = &["spec.name", "spec.user", "spec.userRef", "metadata.name"];

/// Checks everything, and takes down who declares what.
pub(super) fn check(manifests: &mut Manifests, complain: Complain<'_>) {
    clusters(manifests, complain);
    let mut objects = Objects::new();
    crate::for_each_kind!(K => kind::<K>(manifests, &mut objects, complain));
    passwords(manifests, complain);
    manifests.objects = objects;
}

/// Whose a complaint is.
fn about(kind: &str, id: &Id) -> String {
    format!("{kind} {id}")
}

/// Neighbours in a sorted list that have the same name.
fn twice<R: kube::Resource<DynamicType = ()>>(list: &[Declared<R>], complain: Complain<'_>) {
    for pair in list.windows(2) {
        let [one, other] = pair else { continue };
        if (one.namespace(), one.name()) == (other.namespace(), other.name()) {
            let message = format!("this resource is declared twice, and first in {}", one.at);
            let complaint =
                Complaint::at(other.at.clone(), message).about(Some(about(&R::kind(&()), &one.id())));
            let remedy = "remove one of the two, or give it another name";
            complain(complaint.remedy(remedy), &["metadata.name"]);
        }
    }
}

fn clusters(manifests: &Manifests, complain: Complain<'_>) {
    twice(&manifests.clusters, complain);
    for one in &manifests.clusters {
        let spec = &one.resource.spec;
        let durations = [
            ("spec.drift.interval", &spec.drift.interval),
            ("spec.requests.timeout", &spec.requests.timeout),
        ];
        let durations = durations.into_iter().filter_map(|(field, text)| {
            crd::duration(text).err().map(|error| Hold::invalid(format!("{field}: {error}")).at(field))
        });
        let reach = spec.deployment_ref.is_none().then(|| Reach::of_spec(spec).err()).flatten();
        for Hold { message, field, .. } in durations.chain(reach) {
            let complaint = Complaint::at(one.at.clone(), message);
            let field = field.as_deref().unwrap_or("spec");
            complain(complaint.about(Some(about("ArangoCluster", &one.id()))), &[field]);
        }
    }
}

fn kind<K: Kind>(manifests: &Manifests, objects: &mut Objects, complain: Complain<'_>) {
    let list = manifests.of::<K>();
    twice(list, complain);
    let mut places: BTreeMap<(&'static str, Id), Location> = BTreeMap::new();
    for one in list {
        let desired = match K::desired(&one.resource, &manifests.lookup(one.namespace())) {
            Ok(desired) => desired,
            Err(hold) if hold.reason == Reason::Invalid => {
                let complaint = Complaint::at(one.at.clone(), hold.message);
                let field = hold.field.as_deref().unwrap_or("spec");
                complain(complaint.about(Some(about(K::NAME, &one.id()))), &[field]);
                continue;
            }
            Err(_) => continue,
        };
        let declared = objects.entry(K::place(&one.resource).cluster).or_default();
        match declared.entry(K::object(&desired)) {
            Entry::Vacant(vacant) => {
                vacant.insert((K::NAME, one.id()));
            }
            Entry::Occupied(first) if first.get().1 != one.id() => {
                if places.is_empty() {
                    places = list.iter().map(|one| ((K::NAME, one.id()), one.at.clone())).collect();
                }
                let (kind, id) = first.get();
                let place = places.get(&(kind, id.clone())).map(|at| format!(" ({at})")).unwrap_or_default();
                let message =
                    format!("the {} is declared by the {kind} {id} as well{place}", K::describe(&desired));
                let complaint = Complaint::at(one.at.clone(), message).about(Some(about(K::NAME, &one.id())));
                let remedy = "remove one of the two; in a cluster this one would be a Conflict";
                complain(complaint.remedy(remedy), NAMED_BY);
            }
            Entry::Occupied(_) => {}
        }
    }
}

/// A password that is to be generated, with no Secret to take it from.
fn passwords(manifests: &Manifests, complain: Complain<'_>) {
    if manifests.is_live {
        return;
    }
    for one in manifests.of::<User>() {
        let desired = User::desired(&one.resource, &manifests.lookup(one.namespace())).ok();
        let Some(Source { secret, generate: Some(_) }) = desired.and_then(|desired| desired.password) else {
            continue;
        };
        let (namespace, name, key) = (one.namespace(), &secret.name, &secret.key);
        if !manifests.secrets.has(&Id::new(namespace, name), key) {
            let message = format!(
                "spec.password.generate: without Kubernetes there is no place to keep a generated password in (the \
                 Secret {namespace}/{name})"
            );
            let remedy = format!(
                "make a password, and give it with --secret {namespace}/{name}/{key}=env:VARIABLE or =file:PATH"
            );
            let complaint = Complaint::at(one.at.clone(), message).about(Some(about(User::NAME, &one.id())));
            complain(complaint.remedy(remedy), &["spec.password.generate"]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "these are helpers of tests")]
mod tests {
    use crate::manifests::{Complaint, Options, Source, read};

    const VERSION: &str = "arango-operator.dev/v1alpha1";

    fn complaints(text: &str) -> Vec<Complaint> {
        let source = Source::Text("test.yaml".to_owned(), text.to_owned());
        read(&[source], &Options::default()).err().unwrap_or_default()
    }

    #[test]
    fn what_only_the_whole_can_tell_points_to_the_field_as_well() {
        let one = |kind: &str, name: &str, spec: &str| {
            format!(
                "apiVersion: {VERSION}\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  clusterRef: {{name: p}}\n{spec}"
            )
        };
        let at = |text: &str| -> Vec<_> {
            complaints(text).iter().map(|complaint| complaint.at.as_ref().unwrap().to_string()).collect()
        };
        let permission = "  user: a\n  database: shop\n  collections:\n    a.b: ro\n    ";
        for (kind, spec, line, field) in [
            (
                "ArangoUser",
                "  connectionSecret:\n    name: s\n    template:\n      URL: $(x)\n",
                "10:7",
                "URL",
            ),
            ("ArangoUser", "  extra:\n    team: a\n    deep: {a: null}\n", "9:5", "deep"),
            ("ArangoUser", "  password:\n    generate: {}\n", "8:5", "generate"),
            ("ArangoPermission", &format!("{permission}1x: ro\n"), "11:5", "1x"),
        ] {
            let said: Vec<_> = complaints(&one(kind, "x", spec)).iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with(&format!("test.yaml:{line}: {kind} default/x: ")), "{}", said[0]);
            let marked = said[0].lines().nth(2).unwrap_or_default();
            assert_eq!(marked.matches('^').count(), field.len(), "{}", said[0]);
        }
        // In a list, and beside another resource.
        let cluster = "  - apiVersion: arango-operator.dev/v1alpha1\n    kind: ArangoCluster\n    metadata: {name: p}\n    spec:\n      \
                       endpoints:\n      - http://a:1\n      - http://a:1:2\n      auth: {secretRef: {name: s}}\n";
        let list =
            format!("{}---\napiVersion: v1\nkind: List\nitems:\n{cluster}", one("ArangoDatabase", "d", ""));
        assert_eq!(at(&list), ["test.yaml:17:9"]);
    }
}
