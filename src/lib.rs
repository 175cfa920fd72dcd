//! Databases, users and permissions inside ArangoDB, declared as Kubernetes resources and kept that way.
//!
//! The map, one line per module:

// It panics where standard error is closed; `cli::screen` doesn't.
#![cfg_attr(not(test), deny(clippy::print_stderr))]

pub mod arango; // the ArangoDB client: requests, coordinator pool, login
pub mod cli; // one file per command
pub mod control_plane; // a real etcd and kube-apiserver as child processes, for the demo and the tests
pub mod core; // pure: names, plans, policies, decisions
pub mod crash; // where tests kill the process; nothing in a release build
pub mod kinds; // one folder per resource kind
pub mod manifests; // reading and checking manifests without a cluster
pub mod offline; // plan and apply without Kubernetes: the flow rehearsed, and carried out
pub mod operator; // the flow with Kubernetes around it
pub mod reconcile; // the one flow: desired, observe, plan, allow, execute, outcome. Read this first
pub mod stand_in; // an in-memory ArangoDB that answers over HTTP
pub mod traces; // spans for an OpenTelemetry collector, with the feature `otlp`
