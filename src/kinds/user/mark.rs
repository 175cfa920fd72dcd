//! The mark: what says of a user on the server which operator, and which of its resources, looks after him. Pure.

use serde_json::{Map, Value, json};

use crate::core::{Hold, Id, Reason, UserName, condition::cut};

/// The key in `extra` that the mark is under.
pub const KEY: &str = "arango-operator";

/// Longest part of a mark that is quoted, in bytes: it may be anybody's text.
const QUOTED_MAX: usize = 64;

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which operator.
    pub instance: String,
    /// Which resource of its.
    pub resource: Id,
}

/// Whose a user is by the mark that he carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// He carries none.
    Nobodys,
    /// This resource's.
    Ours,
    /// Another resource's of the same operator.
    Siblings(Id),
    /// Another operator's, or one that can't be read, which may be a later version's.
    Others(String),
}

impl Mark {
    /// As it is written into `extra`.
    pub fn value(&self) -> Value {
        json!({"instance": self.instance, "namespace": &*self.resource.namespace, "name": &*self.resource.name})
    }

    /// Whose the user with that `extra` is.
    pub fn whose(&self, extra: &Map<String, Value>) -> Whose {
        let mark = match extra.get(KEY) {
            None | Some(Value::Null) => return Whose::Nobodys,
            Some(mark) => mark,
        };
        let part = |name: &str| mark[name].as_str().unwrap_or_default();
        let resource = Id::new(part("namespace"), part("name"));
        match mark["instance"].as_str() {
            Some(instance) if instance == self.instance && resource == self.resource => Whose::Ours,
            Some(instance) if instance == self.instance => Whose::Siblings(resource),
            Some(instance) => Whose::Others(format!(
                "is looked after by another operator: the mark in his extra names the instance {:?} and its \
                 ArangoUser {:?}",
                cut(instance, QUOTED_MAX),
                cut(&resource.to_string(), QUOTED_MAX),
            )),
            None => Whose::Others("carries a mark in his extra that this version can't read".to_owned()),
        }
    }
}

/// What is said of a user who is another operator's.
pub fn of_another(user: &UserName, why: &str, ours: &Mark) -> Hold {
    Hold::new(
        Reason::Conflict,
        format!(
            "the user {user} {why}; he is never changed or deleted from here. Let one of the two go; if it was this \
             operator under an earlier identity (this one is {:?}), start it with that as --instance, or remove \
             {KEY:?} from his extra",
            cut(&ours.instance, QUOTED_MAX),
        ),
    )
}

/// What is said of a user who is another resource's.
pub fn of_a_sibling(user: &UserName, resource: &Id) -> Hold {
    Hold::new(
        Reason::Conflict,
        format!(
            "the user {user} is looked after by the ArangoUser {resource}, as the mark in his extra says; delete one of \
             the two: this one takes over when the other is gone"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us() -> Mark {
        Mark { instance: "here".to_owned(), resource: Id::new("shop", "alice") }
    }

    fn whose(mark: Value) -> Whose {
        us().whose(&Map::from_iter([(KEY.to_owned(), mark)]))
    }

    #[test]
    fn a_mark_that_we_wrote_is_ours_and_none_is_nobodys() {
        assert_eq!(whose(us().value()), Whose::Ours);
        assert_eq!(us().whose(&Map::new()), Whose::Nobodys);
        assert_eq!(whose(Value::Null), Whose::Nobodys);
    }

    #[test]
    fn a_mark_of_the_same_instance_names_another_resource() {
        let other = Mark { resource: Id::new("depot", "alice"), ..us() };
        assert_eq!(whose(other.value()), Whose::Siblings(other.resource));
    }

    #[test]
    fn a_mark_of_another_instance_is_named_and_one_that_cant_be_read_is_somebodys() {
        let there = Mark { instance: "there".to_owned(), ..us() };
        let Whose::Others(why) = whose(there.value()) else { panic!("another's") };
        assert!(why.contains("\"there\"") && why.contains("shop/alice"), "{why}");
        for odd in [json!("x"), json!({}), json!({"instance": 7}), json!([])] {
            assert!(matches!(whose(odd), Whose::Others(_)));
        }
        let long = Mark { instance: "é".repeat(1000), ..us() };
        let Whose::Others(why) = whose(long.value()) else { panic!("another's") };
        assert!(why.len() < 500, "{why}");
    }
}
