//! The names that a row's references lead to.

use crate::{
    core::{Hold, Id, Reason},
    kinds::{Lookup, schema::LocalRef},
};

/// A name on the server, given as `spec.FIELD` or by way of a resource of the same cluster, as `spec.FIELDRef`.
pub(super) fn name(
    field: &str,
    given: Option<&String>,
    reference: Option<&LocalRef>,
    kind: &str,
    cluster: &Id,
    lookup: &dyn Lookup,
) -> Result<String, Hold> {
    match (given, reference) {
        (Some(name), None) => Ok(name.clone()),
        (None, Some(reference)) => {
            let resource = &reference.name;
            let place = lookup.find(kind, resource).ok_or_else(|| {
                let message = format!(
                    "the {kind} {resource} does not exist in this namespace yet; going on when it does"
                );
                Hold::new(Reason::ReferenceMissing, message)
            })?;
            if place.cluster == *cluster {
                Ok(place.name)
            } else {
                Err(Hold::invalid(format!(
                    "the {kind} {resource} is on the ArangoCluster {}, this row is on {}; use the same clusterRef for \
                     both",
                    place.cluster.name, cluster.name
                ))
                .at(format!("spec.{field}Ref")))
            }
        }
        _ => {
            let message = format!("set exactly one of a name and a reference to an {kind}");
            Err(Hold::invalid(message).at(format!("spec.{field}")))
        }
    }
}
