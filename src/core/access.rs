//! What an ArangoCluster lends to other namespaces, and the one decision about what they may do with it.
//!
//! A resource in the ArangoCluster's own namespace may do all that its connection may. Any other is bound by the rules
//! that select its namespace: by the names that they match, and by the levels that a user would have in effect after
//! the plan, not by what a single step sets.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::{
    CollectionName, DatabaseName, Entry, Hold, Id, Level, Reason, Rights, Scope, UserName, glob::Glob,
};

/// Longest list of patterns that a sentence repeats.
const SHOWN: usize = 8;

/// One rule, as far as it is not about which namespaces it selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names of databases. They match neither the wildcard nor `_system`.
    pub databases: Vec<Glob>,
    /// Names of users.
    pub users: Vec<Glob>,
    /// The highest level in a database of a matching name.
    pub max_access: Level,
    /// Whether what exists on the server may be taken over.
    pub adopt: bool,
    /// The highest level on the wildcard `*`.
    pub wildcard: Level,
    /// The highest level on `_system`.
    pub system: Level,
}

/// What a resource is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A database.
    Database(&'a DatabaseName),
    /// A user.
    User(&'a UserName),
    /// A user's rights on a database, or on the wildcard.
    Row(&'a UserName, &'a Scope<DatabaseName>),
}

/// What a resource may do through an ArangoCluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Whatever the connection may: the resource is in the ArangoCluster's own namespace.
    All,
    /// Nothing, and why.
    Nothing(Hold),
    /// What rules say.
    Lent(Loan),
}

/// The rules of an ArangoCluster that select a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    /// The ArangoCluster.
    pub cluster: Id,
    /// The other namespace.
    pub namespace: Arc<str>,
    /// The rules; what one of them allows is allowed.
    pub rules: Vec<Arc<Rule>>,
}

/// A plan, as far as it is to be judged.
#[derive(Debug)]
pub struct Case<'a> {
    /// What the resource is about.
    pub subject: Subject<'a>,
    /// Whether it would take over what it has not made.
    pub adopts: bool,
    /// Whether it takes away what it has made.
    pub deleting: bool,
    /// The user's rights now.
    pub before: &'a Rights,
    /// His rights once the plan is carried out.
    pub after: &'a Rights,
}

/// A place where a user has a level.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A database, or the wildcard.
    Database,
    /// One collection in it.
    Collection(CollectionName),
    /// All collections in it that have no level of their own.
    Others,
}

impl Access {
    /// Whether rules have to be kept to.
    pub fn is_restricted(&self) -> bool {
        *self != Self::All
    }

    /// Whether a resource may be about that at all, by its name.
    pub fn admits(&self, subject: Subject<'_>) -> Result<(), Hold> {
        match self {
            Self::All => Ok(()),
            Self::Nothing(hold) => Err(hold.clone()),
            Self::Lent(loan) => loan.admits(subject),
        }
    }

    /// The highest level that a user may be given there; nothing if he may not be given any, not even `none`.
    pub fn limit(&self, user: &UserName, database: &Scope<DatabaseName>) -> Option<Level> {
        match self {
            Self::All => Some(Level::Rw),
            Self::Nothing(_) => None,
            Self::Lent(loan) => limit(loan.rules.iter().map(|rule| &**rule), user, database),
        }
    }

    /// Whether a plan may be carried out. What is refused is refused whole.
    pub fn judge(&self, case: &Case<'_>) -> Result<(), Hold> {
        self.admits(case.subject)?;
        let Self::Lent(loan) = self else { return Ok(()) };
        if case.adopts && !case.deleting {
            loan.adopts(case.subject, case.before)?;
        }
        match case.subject {
            Subject::Database(_) => Ok(()),
            Subject::User(user) => loan.levels(user, None, case),
            Subject::Row(user, database) => loan.levels(user, Some(database), case),
        }
    }
}

impl Rule {
    /// Whether the rule is about that.
    fn covers(&self, subject: Subject<'_>) -> bool {
        let database = |name: &DatabaseName| {
            *name != DatabaseName::system() && self.databases.iter().any(|glob| glob.matches(name.as_str()))
        };
        let user = |name: &UserName| self.users.iter().any(|glob| glob.matches(name.as_str()));
        match subject {
            Subject::Database(name) => database(name),
            Subject::User(name) => user(name),
            Subject::Row(name, scope) => {
                user(name) && (is_special(scope) || scope.named().is_some_and(database))
            }
        }
    }

    fn highest(&self, database: &Scope<DatabaseName>) -> Level {
        match database {
            Scope::Any => self.wildcard,
            scope if is_special(scope) => self.system,
            Scope::Named(_) => self.max_access,
        }
    }
}

/// Whether no glob matches it: `*` and `_system` have levels of their own in a rule.
fn is_special(database: &Scope<DatabaseName>) -> bool {
    database.named().is_none_or(|name| *name == DatabaseName::system())
}

fn limit<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    user: &UserName,
    database: &Scope<DatabaseName>,
) -> Option<Level> {
    rules.filter(|rule| rule.covers(Subject::Row(user, database))).map(|rule| rule.highest(database)).max()
}

impl Loan {
    fn admits(&self, subject: Subject<'_>) -> Result<(), Hold> {
        let rules = &self.rules;
        if rules.is_empty() {
            return Err(self.denied(format_args!(
                "lends it nothing: no rule of spec.access selects the namespace; going on when one does"
            )));
        }
        if rules.iter().any(|rule| rule.covers(subject)) {
            return Ok(());
        }
        let databases = || list("databases", rules.iter().flat_map(|rule| &rule.databases));
        let users = || list("users", rules.iter().flat_map(|rule| &rule.users));
        let refused = match subject {
            Subject::Database(name) => {
                self.denied(format_args!(
                    "lends it no database of the name {name}, only {} (spec.access); going on when it does",
                    databases()
                ))
            }
            Subject::User(name) => self.denied(format_args!(
                "lends it no user of the name {name}, only {} (spec.access); going on when it does",
                users()
            )),
            Subject::Row(user, database) => self.denied(format_args!(
                "lends it no rights of {user} on {database}, only of {} on {} (spec.access); going on when it does",
                users(),
                databases()
            )),
        };
        Err(refused)
    }

    /// Whether what exists may be taken over. A user only if he has no right that the rules which say so don't lend:
    /// whoever has his password has his rights.
    fn adopts(&self, subject: Subject<'_>, rights: &Rights) -> Result<(), Hold> {
        let what = match subject {
            Subject::Database(name) => format!("the database {name}"),
            Subject::User(name) => format!("the user {name}"),
            Subject::Row(user, database) => format!("the rights of {user} on {database}"),
        };
        let rules =
            || self.rules.iter().map(|rule| &**rule).filter(|rule| rule.adopt && rule.covers(subject));
        if rules().next().is_none() {
            return Err(self.denied(format_args!(
                "doesn't let it take over what exists (adopt of spec.access), and {what} is there already; declare \
                 another name, or have it declared in the namespace {}",
                self.cluster.namespace
            )));
        }
        let Subject::User(user) = subject else { return Ok(()) };
        for (database, entry) in &rights.0 {
            let has = entry.collections.values().copied().chain(entry.level).max().unwrap_or(Level::None);
            if has > limit(rules(), user, database).unwrap_or(Level::None) {
                return Err(self.denied(format_args!(
                    "doesn't let it take over a user who has more than it lends, and {what} is there already and has \
                     {has} on {database}; declare another name, or have that right taken away first"
                )));
            }
        }
        Ok(())
    }

    /// Whether a user would end with no more than is lent: where the plan changes something, and on the row that it is
    /// about. A deletion may leave what is too high already, but not raise it.
    fn levels(
        &self,
        user: &UserName,
        row: Option<&Scope<DatabaseName>>,
        case: &Case<'_>,
    ) -> Result<(), Hold> {
        let (before, after) = (case.before, case.after);
        let all: BTreeSet<_> = before.0.keys().chain(after.0.keys()).collect();
        let mut scopes: BTreeSet<_> =
            all.into_iter().filter(|scope| before.entry(scope) != after.entry(scope)).collect();
        scopes.extend(row.filter(|_| !case.deleting));
        // The wildcard reaches `_system` as well, where it would make an administrator.
        let system = Scope::Named(DatabaseName::system());
        if scopes.contains(&Scope::Any) {
            scopes.insert(&system);
        }
        let rules = || self.rules.iter().map(|rule| &**rule);
        for scope in scopes {
            let limit = limit(rules(), user, scope).unwrap_or(Level::None);
            for place in places(before, after, scope) {
                let (was, becomes) = (level(before, scope, &place), level(after, scope, &place));
                let grants = explicit(after, scope, &place) > explicit(before, scope, &place);
                let becomes =
                    becomes.max(explicit(after, scope, &place).filter(|_| grants).unwrap_or(Level::None));
                if becomes <= limit || (case.deleting && becomes <= was) {
                    continue;
                }
                let field = match scope {
                    Scope::Any => "wildcard",
                    scope if is_special(scope) => "system",
                    Scope::Named(_) => "maxAccess",
                };
                let next = if case.deleting { "so it stays" } else { "nothing is changed before that fits" };
                return Err(self.denied(format_args!(
                    "lets it give at most {limit} on {scope} ({field} of spec.access), and {user} would end with \
                     {becomes} on {}; {next}",
                    place.on(scope)
                )));
            }
        }
        Ok(())
    }

    /// A sentence about the ArangoCluster and the namespace, which is `it`.
    fn denied(&self, what: fmt::Arguments<'_>) -> Hold {
        let Self { cluster, namespace, .. } = self;
        Hold::new(
            Reason::AccessDenied,
            format!("for the namespace {namespace}: the ArangoCluster {cluster} {what}"),
        )
    }
}

impl Place {
    fn on(&self, scope: &Scope<DatabaseName>) -> String {
        match self {
            Self::Database => scope.to_string(),
            Self::Collection(name) => format!("{scope}/{name}"),
            Self::Others => format!("the collections of {scope}"),
        }
    }
}

/// Where there may be levels of their own on a database and in it.
fn places(before: &Rights, after: &Rights, scope: &Scope<DatabaseName>) -> BTreeSet<Place> {
    let named = |entry: Entry| {
        entry.collections.into_keys().filter_map(|name| match name {
            Scope::Named(name) => Some(Place::Collection(name)),
            Scope::Any => None,
        })
    };
    let collections = named(before.entry(scope)).chain(named(after.entry(scope)));
    collections.chain([Place::Database, Place::Others]).collect()
}

/// The level that is set there itself.
fn explicit(rights: &Rights, scope: &Scope<DatabaseName>, place: &Place) -> Option<Level> {
    let entry = rights.0.get(scope)?;
    match place {
        Place::Database => entry.level,
        Place::Collection(name) => entry.collections.get(&Scope::Named(name.clone())).copied(),
        Place::Others => entry.collections.get(&Scope::Any).copied(),
    }
}

/// The level that holds there. Nothing in a database is reached by a user who has none on it (reference: permissions,
/// resolution); of the wildcard that can't be said.
fn level(rights: &Rights, scope: &Scope<DatabaseName>, place: &Place) -> Level {
    let database = rights.effective(scope);
    let inside = match place {
        Place::Database => return database,
        Place::Collection(_) => {
            explicit(rights, scope, place).unwrap_or_else(|| rights.on_collections(scope))
        }
        Place::Others => rights.on_collections(scope),
    };
    if database == Level::None && *scope != Scope::Any { Level::None } else { inside }
}

fn list<'a>(what: &str, globs: impl Iterator<Item = &'a Glob>) -> String {
    let all: BTreeSet<_> = globs.map(Glob::as_str).collect();
    let shown: Vec<_> = all.iter().take(SHOWN).copied().collect();
    match shown.len() {
        0 => format!("no {what}"),
        n if n < all.len() => format!("{what} {} and {} more", shown.join(", "), all.len() - n),
        _ => format!("{what} {}", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
