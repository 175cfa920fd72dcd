//! The operator as its users meet it: manifests go in through kubectl and a real API server, results come out over
//! HTTP as a client of the database reads them. The operator is the built program, in a process of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

#[path = "installed/mod.rs"]
mod installed;
#[path = "installed/prometheus_operator.rs"]
mod prometheus_operator;
mod support;

mod operator {
    mod admission;
    mod alerts;
    mod apply;
    mod asked;
    mod bad_inputs;
    mod binding;
    mod by_hand;
    mod claims;
    mod cluster_status;
    mod complaints;
    mod connection;
    mod crash;
    mod crash_points;
    mod delegated;
    mod deletion;
    mod distrust;
    mod effective;
    mod encrypted;
    mod escapes;
    mod export;
    mod extra;
    mod fairness;
    mod identity;
    mod if_empty;
    mod interrupted;
    mod kube_arangodb;
    mod kubectl;
    mod leader;
    mod logs;
    mod maintenance;
    mod manifests;
    mod marks;
    mod metrics;
    mod monitoring;
    mod observe;
    mod own_password;
    mod ownership;
    mod passwords;
    mod planned;
    mod quiet;
    mod read_only;
    mod refused;
    mod rotation;
    mod secrecy;
    mod selector;
    mod several;
    mod superuser;
    mod undeclared;
    mod upgrade;
    mod waiting;
}
