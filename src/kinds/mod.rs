//! The resource kinds: one folder each, one word in [`for_each_kind!`].
//!
//! A kind that declares something on a server implements [`Kind`]: four pure functions (desired, plan, removal,
//! consent) and two that talk to the server (observe, execute). Everything else (controller, claims, finalizer,
//! status, Events, CRD, RBAC) is made from that. `ArangoCluster` is the connection that they share; it has no
//! plan of its own and is handled by `operator::cluster`.

pub mod cluster;
pub mod database;
pub mod permission;
pub mod schema;
pub mod user;

use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    future::Future,
};

use k8s_openapi::NamespaceResourceScope;
use kube::{
    CustomResourceExt,
    core::object::{HasSpec, HasStatus},
};
use serde::{Serialize, de::DeserializeOwned};

use self::{
    permission::crd::PermissionMemory,
    user::binding::{Delivered, Delivery},
};
use crate::{
    arango,
    core::{
        Access, Consent, DriftPolicy, Hold, Id, Origin, Plan, Rights, Status, Subject, UserName,
        condition::Said,
    },
    reconcile::{Look, Secrets, Server},
};

/// Runs an expression once for every kind that declares something on a server; `$kind` names it there.
///
/// This list is the one place where a kind is registered.
#[macro_export]
macro_rules! for_each_kind {
    ($kind:ident => $body:expr) => {{
        {
            type $kind = $crate::kinds::database::Database;
            $body
        }
        {
            type $kind = $crate::kinds::user::User;
            $body
        }
        {
            type $kind = $crate::kinds::permission::Permission;
            $body
        }
    }};
}

/// What a resource type must be to serve a kind. Implemented for all that are.
pub trait Declaration:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + CustomResourceExt
    + HasSpec
    + HasStatus<Status = Status<<Self as Declaration>::Memory>>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// What the kind remembers in the status.
    type Memory: Memory;

    /// What the resource itself says about differences; the ArangoCluster's word counts where it says nothing.
    fn drift_policy(&self) -> Option<DriftPolicy>;
}

/// What may be remembered in a status.
pub trait Memory:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
}
impl<M> Memory for M where
    M: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

/// Where a resource's object is: the ArangoCluster, and the name on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The ArangoCluster.
    pub cluster: Id,
    /// Name on the server, not validated.
    pub name: String,
}

/// Finds other resources of the same namespace by kind and name.
pub trait Lookup: Send + Sync {
    /// Where the object of that resource is; nothing if there is no such resource.
    fn find(&self, kind: &str, name: &str) -> Option<Place>;

    /// Who declares that object ([`Kind::object`]) on that ArangoCluster, in any namespace, as a person names him.
    fn declarer(&self, _cluster: &Id, _object: &str) -> Option<String> {
        None
    }
}

/// Something that a resource needs and by whose change it is woken. All in the resource's own namespace, or on its
/// server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A Secret.
    Secret(String),
    /// Another resource, by kind and name.
    Resource(&'static str, String),
    /// An object on the server, as [`Kind::object`] writes it.
    Object(String),
}

/// What became of an action that the server did not refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// Done, or found done.
    Done,
    /// Left out, because something isn't there yet; the other steps go on.
    NotYet(Hold),
}

/// Whose an object is by a mark that it carries, beside what its resource remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// Nothing is known by a mark: there is no object, it is ours, or its kind carries none.
    Silent,
    /// It carries none, and by what is remembered it would, had we made it.
    Unmade,
    /// Another resource's of ours, which is still there.
    Siblings(Hold),
    /// Another operator's.
    Others(Hold),
}

/// An object as names and values.
pub type Shown = BTreeMap<String, String>;

/// Why an action is worth a second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notable {
    /// A password changes: whoever uses the old one is shut out.
    Password,
    /// A right that reaches databases that it doesn't name, or the administrator's.
    WideRight,
}

/// For whom it is found out, where no operator keeps watch, what a pass would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewpoint {
    /// For somebody who hands the manifests to an operator: it has Secrets that are not here.
    Operator,
    /// For somebody who has them carried out by the command line, which has none but those that it is given.
    CommandLine,
}

/// What was found out before a pass without an operator.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// What is to be said beside.
    pub notes: Vec<String>,
    /// A Secret that is not here and that the operator has, or makes.
    pub secret: Option<String>,
}

/// A kind of object on a server, and how a resource declares one.
///
/// `desired`, `plan`, `removal` and `consent` are pure. An action that is cut off anywhere, or carried out twice,
/// must leave a state from which `plan` finds the rest.
pub trait Kind: Sized + Send + Sync + 'static {
    /// The custom resource.
    type Resource: Declaration<Memory = Self::Memory>;
    /// What the status remembers.
    type Memory: Memory;
    /// The spec with names parsed, defaults filled in and references resolved.
    type Desired: Clone + Debug + PartialEq + Send + Sync;
    /// The part of the server's state that the plan looks at.
    type Observed: Clone + Debug + PartialEq + Send + Sync;
    /// One change; written as a sentence without subject ("create the database shop").
    type Action: Clone + Debug + Display + PartialEq + Send + Sync;

    /// The kind's name in Kubernetes.
    const NAME: &'static str;
    /// What stands before an object's title in a sentence: "database", "permission of".
    const NOUN: &'static str;
    /// Whether the object holds data that is lost when somebody removes it by hand.
    const HOLDS_DATA: bool = false;
    /// What the API server checks beside the schema.
    const RULES: &'static [schema::Rule];

    /// Where the resource's object is, for others that refer to it. Never fails.
    fn place(resource: &Self::Resource) -> Place;

    /// Reads the spec.
    fn desired(resource: &Self::Resource, lookup: &dyn Lookup) -> Result<Self::Desired, Hold>;

    /// What the resource owns by its own memory: for a deletion, which must work when a resource that the spec refers
    /// to is gone and when the spec is broken. By default, what the spec says.
    fn remembered(_resource: &Self::Resource, _memory: &Self::Memory) -> Option<Self::Desired> {
        None
    }

    /// The object on the server, as one string that is equal exactly for resources that declare the same thing.
    fn object(desired: &Self::Desired) -> String;

    /// The object's name as the column `Name` shows it: "shop", "alice on shop".
    fn title(desired: &Self::Desired) -> String;

    /// The object as a sentence would name it, after "the": "database shop", "permission of alice on shop".
    fn describe(desired: &Self::Desired) -> String {
        format!("{} {}", Self::NOUN, Self::title(desired))
    }

    /// The server's user whose writes this kind's actions queue up with, if there is one.
    fn writes_to(desired: &Self::Desired) -> Option<&UserName>;

    /// What wakes the resource, besides its own change and its cluster's; `desired` is missing while the spec can't
    /// be read, be it for want of a resource that it refers to.
    fn needs(resource: &Self::Resource, desired: Option<&Self::Desired>) -> Vec<Need>;

    /// Whether what was declared is removed when the resource is deleted.
    fn consent(resource: &Self::Resource, origin: Option<Origin>) -> Consent;

    /// What the resource is about, by the names that an ArangoCluster is lent by.
    fn subject(desired: &Self::Desired) -> Subject<'_>;

    /// Why the object may not be touched through a connection of that account, if so.
    fn protected(desired: &Self::Desired, account: Option<&str>) -> Option<Hold>;

    /// Reads what the plan needs to know.
    fn observe(
        server: &Server,
        secrets: &dyn Secrets,
        look: Look,
        desired: &Self::Desired,
    ) -> impl Future<Output = Result<Self::Observed, arango::Error>> + Send;

    /// The rights of the user that the plan is judged by, read only for a resource that may not do everything. None by
    /// default. `adopts`: it would take over what it has not made.
    fn rights(
        _server: &Server,
        _look: Look,
        _desired: &Self::Desired,
        _access: &Access,
        _adopts: bool,
    ) -> impl Future<Output = Result<Rights, arango::Error>> + Send {
        std::future::ready(Ok(Rights::default()))
    }

    /// What becomes of those rights by an action.
    fn leads_to(_action: &Self::Action, _rights: &mut Rights) {}

    /// Whether the object is there.
    fn exists(observed: &Self::Observed) -> bool;

    /// Whose the object is by its mark.
    fn marked(_: &Self::Desired, _: &Self::Observed, _: &Self::Memory) -> Marked {
        Marked::Silent
    }

    /// The steps from what is observed to what is desired.
    fn plan(desired: &Self::Desired, observed: &Self::Observed, memory: &Self::Memory) -> Plan<Self::Action>;

    /// The steps that take away what this resource declared.
    fn removal(
        desired: &Self::Desired,
        observed: &Self::Observed,
        memory: &Self::Memory,
    ) -> Plan<Self::Action>;

    /// What is to be said beside `Ready` once the plan is carried out, in further conditions.
    fn remarks(_desired: &Self::Desired, _observed: &Self::Observed, _memory: &Self::Memory) -> Vec<Said> {
        Vec::new()
    }

    /// Whether the memory must be stored durably after this action, before the next begins.
    fn must_be_remembered(_action: &Self::Action) -> bool {
        false
    }

    /// Whether the action changes the server; otherwise it changes something of ours in Kubernetes.
    fn is_on_server(_action: &Self::Action) -> bool {
        true
    }

    /// Whether a plan was cut off that must be brought to its end even if nothing is to be removed.
    fn is_unfinished(_memory: &Self::Memory) -> bool {
        false
    }

    /// Whether the resource may go only after it was looked after: what it declared is to be removed with it, or a
    /// plan was cut off.
    fn holds(resource: &Self::Resource, origin: Option<Origin>, memory: &Self::Memory) -> bool {
        Self::consent(resource, origin) == Consent::Remove || Self::is_unfinished(memory)
    }

    /// What is written into a Secret for applications while the resource is Ready, if it asks for that.
    fn delivery(_desired: &Self::Desired) -> Option<&Delivery> {
        None
    }

    /// Where the memory keeps what was written there; nothing for a kind that never asks.
    fn delivered(_memory: &mut Self::Memory) -> Option<Delivered<'_>> {
        None
    }

    /// Finds out, before a pass without an operator, what nobody remembers there, and puts it into what is desired and
    /// remembered; or says why nothing is done.
    fn prepare(
        _server: &Server,
        _secrets: &dyn Secrets,
        _look: Look,
        _: (&mut Self::Desired, &mut Self::Memory),
        _viewpoint: Viewpoint,
    ) -> impl Future<Output = Result<Prepared, Hold>> + Send {
        std::future::ready(Ok(Prepared::default()))
    }

    /// What is there, as names and values in the words of the spec; nothing where there is no object.
    fn shown(_observed: &Self::Observed) -> Shown {
        Shown::new()
    }

    /// Why an action is worth a second look, beside its risk: it gives more than is said, or shuts somebody out.
    fn stands_out(_action: &Self::Action) -> Option<Notable> {
        None
    }

    /// Whether rights of the object that nobody declares are taken away.
    fn revokes(_resource: &Self::Resource) -> bool {
        false
    }

    /// Where the memory keeps the row that such a right is being taken from; nothing for a kind that has no rights.
    fn revoking(_memory: &mut Self::Memory) -> Option<&mut Option<PermissionMemory>> {
        None
    }

    /// Carries one action out.
    fn execute(
        server: &Server,
        secrets: &dyn Secrets,
        action: &Self::Action,
        memory: &mut Self::Memory,
    ) -> impl Future<Output = Result<Execution, ExecuteError>> + Send;
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The server.
    #[error(transparent)]
    Server(#[from] arango::Error),
    /// Something of ours, said for a condition.
    #[error(transparent)]
    Held(#[from] Hold),
}

impl ExecuteError {
    /// Whether the action may have been carried out all the same, so that nothing is known any more of what it is
    /// about. Our writes are repeated by the pool, so also where in the end nobody could be reached.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Server(error) => error.may_have_run() || error.class() == arango::Class::Unreachable,
            Self::Held(_) => false,
        }
    }
}
