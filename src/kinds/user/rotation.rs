//! How a generated password is replaced, so that at no moment a password is lost: the next one is in the Secret before
//! the server learns of it, and takes the place of the other only when the server takes it.
//!
//! Wherever it is cut off, the Secret holds the password that the server has, as `password` or as `password-next`, and a
//! login tells which. What the Secret's `password` says works at every moment but those between the server's change and
//! the next write to the Secret.

use std::time::Duration;

use secrecy::SecretString;

use super::crd::{SecretKeyRef, SecretVersion, UserMemory};
use crate::{
    arango::{Login, UserChange},
    core::{Hold, Reason, UserName},
    crash::{self, Point},
    kinds::ExecuteError,
    reconcile::{Generated, Secrets, Server},
};

/// The waits after which a new password that is refused is tried again: another coordinator learns of it a moment later
/// (reference: users, consistency).
const WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(600)];

/// What is known in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Whether the next password is in the Secret.
    pub proposed: bool,
    /// Whether the Secret says that the wish was fulfilled.
    pub fulfilled: bool,
    /// Whether we told the server the next password ourselves, just now.
    pub told: bool,
    /// What a login with it says.
    pub login: Answer,
}

/// What a login with the next password says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nobody has tried.
    NotAsked,
    /// The server has it.
    Taken,
    /// The server has another, or has not heard of it everywhere.
    Refused,
    /// Nothing: the user may not log in, or everybody may.
    Nothing,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write a new password beside the one that works.
    Propose,
    /// Log in with it.
    Ask,
    /// Tell the server.
    Tell,
    /// Wait a moment, and log in again.
    Wait,
    /// Put it in the place of the one before.
    Promote,
    /// Nothing: it is done.
    Finish,
}

/// What comes next.
pub fn next(known: Known) -> Step {
    let Known { proposed, fulfilled, told, login } = known;
    match login {
        _ if !proposed && fulfilled => Step::Finish,
        _ if !proposed => Step::Propose,
        Answer::NotAsked => Step::Ask,
        Answer::Taken => Step::Promote,
        Answer::Refused if told => Step::Wait,
        // The server's own answer is all that can be had.
        Answer::Nothing if told => Step::Promote,
        Answer::Refused | Answer::Nothing => Step::Tell,
    }
}

/// Whose password is replaced, and for which wish.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The user.
    pub user: &'a UserName,
    /// Where the password is.
    pub secret: &'a SecretKeyRef,
    /// How many characters.
    pub length: u32,
    /// The wish.
    pub rotate: &'a str,
    /// Whether he may log in.
    pub active: bool,
}

/// Replaces the password, from wherever an earlier try was cut off.
pub async fn run(
    server: &Server,
    secrets: &dyn Secrets,
    rotation: Rotation<'_>,
    memory: &mut UserMemory,
) -> Result<(), ExecuteError> {
    let Rotation { user, secret: SecretKeyRef { name, key }, length, rotate, active } = rotation;
    let client = server.client.for_user(user);
    let mut secret = secrets.generated(name, key).await?;
    let mut known = Known {
        proposed: secret.next.is_some(),
        fulfilled: secret.rotated.as_deref() == Some(rotate),
        told: false,
        login: if active { Answer::NotAsked } else { Answer::Nothing },
    };
    let mut waits = WAITS.into_iter();
    loop {
        match next(known) {
            Step::Propose => {
                secret = secrets.propose(name, key, &secret, length).await?;
                known.proposed = true;
                // Nobody can have it.
                known.login = if active { Answer::Refused } else { Answer::Nothing };
            }
            Step::Tell => {
                let password = Some(proposed(&secret, name)?.clone());
                client.update_user(user, &UserChange { password, ..UserChange::default() }).await?;
                crash::at(Point::PasswordTold);
                known.told = true;
                known.login = if active { Answer::NotAsked } else { Answer::Nothing };
            }
            Step::Ask => {
                known.login = match client.log_in(user, proposed(&secret, name)?).await? {
                    Login::Taken => Answer::Taken,
                    Login::Refused => Answer::Refused,
                    Login::NotNeeded => Answer::Nothing,
                };
            }
            Step::Wait => {
                let wait = waits.next().ok_or_else(|| not_yet(user))?;
                client.pause(wait).await;
                known.login = Answer::NotAsked;
            }
            Step::Promote => {
                secret = secrets.promote(name, key, &secret, rotate).await?;
                known.proposed = false;
                known.fulfilled = true;
            }
            Step::Finish => break,
        }
    }
    let Generated { version: (uid, resource_version), .. } = secret;
    memory.password_secret = Some(SecretVersion { uid, resource_version, source: format!("{name}/{key}") });
    memory.rotated = Some(rotate.to_owned());
    memory.rotating = None;
    server.logins.was_set(user);
    Ok(())
}

fn proposed<'a>(secret: &'a Generated, name: &str) -> Result<&'a SecretString, Hold> {
    // Never so: a password was proposed before it is asked for.
    secret
        .next
        .as_ref()
        .ok_or_else(|| Hold::new(Reason::Retry, format!("the Secret {name} changed; trying again")))
}

fn not_yet(user: &UserName) -> Hold {
    Hold::new(
        Reason::Retry,
        format!(
            "the new password of {user} is not known to every coordinator yet; it is in his Secret as password-next and \
             becomes password when a login with it works; trying again"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Secret and a server, and what a user who reads the one and asks the other finds.
    #[derive(Debug, Clone, PartialEq)]
    struct World {
        password: u32,
        next: Option<u32>,
        fulfilled: bool,
        server: u32,
    }

    const BEFORE: World = World { password: 1, next: None, fulfilled: false, server: 1 };

    impl World {
        fn can_log_in(&self) -> bool {
            [Some(self.password), self.next].contains(&Some(self.server))
        }
    }

    /// Carries steps out until it is finished, or so many writes were made. Tells every state on the way.
    fn run(world: &mut World, active: bool, mut writes: usize) -> Vec<(Step, World)> {
        let asked = |active| if active { Answer::NotAsked } else { Answer::Nothing };
        let mut known = Known {
            proposed: world.next.is_some(),
            fulfilled: world.fulfilled,
            told: false,
            login: asked(active),
        };
        let mut history = Vec::new();
        for _ in 0..20 {
            let step = next(known);
            if matches!(step, Step::Propose | Step::Tell | Step::Promote) {
                let Some(left) = writes.checked_sub(1) else { return history };
                writes = left;
            }
            match step {
                Step::Propose => {
                    world.next = Some(world.password.max(world.server) + 1);
                    known = Known {
                        proposed: true,
                        login: if active { Answer::Refused } else { Answer::Nothing },
                        ..known
                    };
                }
                Step::Tell => {
                    world.server = world.next.unwrap();
                    known = Known { told: true, login: asked(active), ..known };
                }
                Step::Ask if world.next == Some(world.server) => known.login = Answer::Taken,
                Step::Ask => known.login = Answer::Refused,
                Step::Wait => panic!("one server knows its own password at once"),
                Step::Promote => {
                    *world = World { password: world.next.unwrap(), next: None, fulfilled: true, ..*world };
                    known = Known { proposed: false, fulfilled: true, ..known };
                }
                Step::Finish => return history,
            }
            history.push((step, world.clone()));
        }
        panic!("no end: {history:?}");
    }

    #[test]
    fn cut_off_after_any_number_of_writes_any_number_of_times_it_ends_with_one_password_that_works() {
        for active in [true, false] {
            for first in 0..=3 {
                for second in 0..=3 {
                    let mut world = BEFORE;
                    let mut history = run(&mut world, active, first);
                    history.extend(run(&mut world, active, second));
                    history.extend(run(&mut world, active, usize::MAX));
                    assert_eq!((world.next, world.fulfilled), (None, true));
                    assert_eq!((world.password, world.server), (2, 2), "replaced once: {history:?}");
                    for (step, world) in &history {
                        assert!(world.can_log_in(), "{step:?} lost the password: {history:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_in_the_secret_as_password_works_but_for_the_moment_between_two_writes() {
        let mut world = BEFORE;
        let history = run(&mut world, true, usize::MAX);
        let steps: Vec<_> = history.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [Step::Propose, Step::Tell, Step::Ask, Step::Promote]);
        let broken = history.iter().filter(|(_, world)| world.password != world.server);
        assert_eq!(broken.map(|(step, _)| *step).collect::<Vec<_>>(), [Step::Tell, Step::Ask]);
    }

    #[test]
    fn a_password_that_was_changed_by_hand_meanwhile_is_replaced_all_the_same() {
        let mut world = World { next: Some(2), server: 7, ..BEFORE };
        run(&mut world, true, usize::MAX);
        assert_eq!(world, World { password: 2, next: None, fulfilled: true, server: 2 });
    }

    #[test]
    fn after_our_own_write_a_refusal_is_not_yet() {
        let known = Known { proposed: true, fulfilled: false, told: true, login: Answer::Refused };
        assert_eq!(next(known), Step::Wait);
        assert_eq!(next(Known { told: false, ..known }), Step::Tell);
    }

    #[test]
    fn a_wish_that_was_fulfilled_is_not_fulfilled_twice() {
        let known = Known { proposed: false, fulfilled: true, told: false, login: Answer::NotAsked };
        assert_eq!(next(known), Step::Finish);
    }
}
