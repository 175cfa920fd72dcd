//! The places between two effects at which a test can have the process killed.
//!
//! Each is right behind one effect: a write to Kubernetes or to ArangoDB. What is killed there has done this one and not the
//! next. The names are one closed list; none of it is compiled into a release build (without `debug_assertions`).

macro_rules! points {
    ($($(#[doc = $says:literal])+ $point:ident $name:literal)+) => {
        /// A place behind an effect.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(debug_assertions, derive(Debug))]
        pub enum Point {
            $($(#[doc = $says])+ $point),+
        }

        #[cfg(debug_assertions)]
        impl Point {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$point),+];

            /// What [`VARIABLE`] calls it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name),+
                }
            }
        }
    };
}

points! {
    /// The Lease says that this replica leads; it has done nothing yet.
    LeaseTaken "lease-taken"
    /// The finalizer is on, without a claim.
    FinalizerOn "finalizer-on"
    /// The claim is stored, with the finalizer if there is to be one; nothing is written to the server yet.
    ClaimStored "claim-stored"
    /// A claim that came to nothing is taken back.
    ClaimRetracted "claim-retracted"
    /// The finalizer is off: a resource that was being deleted is gone.
    FinalizerOff "finalizer-off"
    /// The status is written.
    StatusWritten "status-written"
    /// What a plan must remember is in the status; the step that needs it is not begun.
    Remembered "remembered"
    /// An Event is told.
    EventTold "event-told"
    /// The database is there; no status says so.
    DatabaseCreated "database-created"
    /// The database is dropped; its resource has its finalizer.
    DatabaseDropped "database-dropped"
    /// The Secret with a generated password is there; no user has it.
    PasswordGenerated "password-generated"
    /// The user is there, with his password; no status says which.
    UserCreated "user-created"
    /// The server has another password; no status says which.
    PasswordSet "password-set"
    /// Whether the user may log in, or what `extra` says of him, is changed; no status says so.
    UserChanged "user-changed"
    /// The user is gone; his resource has its finalizer.
    UserDeleted "user-deleted"
    /// The next password is in the Secret beside the one that works.
    PasswordProposed "password-proposed"
    /// The server has the next password; the Secret has it beside the one before.
    PasswordTold "password-told"
    /// The next password has taken its place in the Secret; no status says so.
    PasswordPromoted "password-promoted"
    /// A level on a database is given.
    LevelGranted "level-granted"
    /// A level on a database is taken away, and everything under it that is to be put back.
    LevelRevoked "level-revoked"
    /// A level on a collection is given.
    CollectionGranted "collection-granted"
    /// One of the levels that went with the one above is put back.
    CollectionRestored "collection-restored"
    /// A level on a collection is taken away.
    CollectionRevoked "collection-revoked"
    /// The Secret for applications is there; no status says so.
    BindingMade "binding-made"
    /// The Secret for applications is changed; no status says so.
    BindingChanged "binding-changed"
    /// The status says what of maintenance is to be switched; nothing is.
    MaintenanceDecided "maintenance-decided"
    /// Maintenance is switched through a coordinator; the status doesn't say whether.
    MaintenanceSwitched "maintenance-switched"
    /// Maintenance is declared to kube-arangodb; the status doesn't say whether.
    MaintenanceDeclared "maintenance-declared"
    /// The server has the new password of the operator's own account; no connection is made with it yet.
    OwnPasswordChanged "own-password-changed"
}

/// The variable of the environment that names the place to be killed at.
#[cfg(debug_assertions)]
pub const VARIABLE: &str = "ARANGO_OPERATOR_CRASH_AT";

/// Kills the process with SIGKILL if this is the place that [`VARIABLE`] names. In a release build: nothing.
#[cfg(debug_assertions)]
pub fn at(point: Point) {
    use std::sync::OnceLock;

    static PLACE: OnceLock<Option<String>> = OnceLock::new();
    let place = PLACE.get_or_init(|| std::env::var(VARIABLE).ok());
    if place.as_deref() == Some(point.name()) {
        let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // A process may always kill itself, and isn't there any more to see it.
        tracing::error!(?killed, "not killed");
        std::process::abort();
    }
}

/// Nothing: this is a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn at(_: Point) {}
