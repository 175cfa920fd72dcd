//! Which deployment the manifests are about.

use super::{Complaint, Manifests};
use crate::core::Id;

impl Manifests {
    /// The one ArangoCluster that the resources name, or the one that is meant by `[NAMESPACE/]NAME`; nothing if there
    /// is none.
    ///
    /// # Errors
    ///
    /// There are several, or not that one.
    pub fn select(&self, wanted: Option<&str>) -> Result<Option<Id>, Complaint> {
        let mut ids = self.cluster_refs();
        if ids.is_empty() || wanted.is_some() {
            ids.extend(self.clusters.iter().map(super::Declared::id));
            ids.sort_unstable();
            ids.dedup();
        }
        let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if let Some(wanted) = wanted {
            let (namespace, name) =
                wanted.split_once('/').map_or((None, wanted), |(ns, name)| (Some(ns), name));
            ids.retain(|id| {
                *id.name == *name && namespace.is_none_or(|namespace| *id.namespace == *namespace)
            });
            if ids.is_empty() {
                let message = format!("there is no ArangoCluster {wanted}, and no resource that names it");
                let there = if list.is_empty() { "none at all".to_owned() } else { list };
                return Err(Complaint::new(message).remedy(format!("there is {there}")));
            }
        }
        match &ids[..] {
            [] => Ok(None),
            [id] => Ok(Some(id.clone())),
            _ => {
                let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("the manifests are about several ArangoClusters: {list}");
                Err(Complaint::new(message).remedy("choose one with --cluster NAMESPACE/NAME"))
            }
        }
    }
}
