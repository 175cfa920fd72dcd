//! ArangoCluster: how to reach a deployment that already runs. The connection that the other kinds share.

pub mod access;
pub mod crd;
pub mod reach;
pub mod status;
