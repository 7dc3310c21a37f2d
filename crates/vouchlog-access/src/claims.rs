//! What a token of an identity provider states, as far as it is looked at.

use serde::Deserialize;

use crate::config::SubjectEntry;
use crate::limits::MAX_PERSON_BYTES;
use crate::principal::Person;

/// Claims of a JWT. Absent and of the wrong type differ: the latter is an error.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: Strings,
    /// Seconds since 1970; RFC 7519 allows fractions.
    pub(crate) exp: f64,
    pub(crate) nbf: Option<f64>,
    pub(crate) sub: Option<String>,
    client_id: Option<String>,
    pub(crate) azp: Option<String>,
    pub(crate) nonce: Option<String>,
    scope: Option<Strings>,
    groups: Option<Strings>,
}

/// A text or a list of texts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Strings {
    One(String),
    Many(Vec<String>),
}

impl Strings {
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(many) => many.len(),
        }
    }

    pub(crate) fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }

    /// The same of a list in one text, with spaces between (RFC 6749 section 3.3).
    fn contains_word(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one.split(' ').any(|word| word == wanted),
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

impl Claims {
    /// Whether they are about a subject of the access file.
    ///
    /// SPEC: RFC 9068 section 2.2: a client is named by `client_id`; OpenID Connect names it by `azp`.
    pub(crate) fn are_of(&self, subject: &SubjectEntry) -> bool {
        let is = |claim: Option<&String>, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| claim == Some(wanted))
        };
        let has_group = |wanted: &String| self.groups.as_ref().is_some_and(|groups| groups.contains(wanted));
        let has_scope =
            |wanted: &String| self.scope.as_ref().is_some_and(|scope| scope.contains_word(wanted));
        self.iss == subject.issuer
            && is(self.sub.as_ref(), &subject.sub)
            && is(self.client_id.as_ref().or(self.azp.as_ref()), &subject.client_id)
            && subject.group.as_ref().is_none_or(has_group)
            && subject.scopes.iter().all(has_scope)
    }
}

impl Claims {
    /// The same of a person who signed in: a client id never matches a person, no matter which program the token was issued through.
    pub(crate) fn are_of_person(&self, subject: &SubjectEntry) -> bool {
        subject.client_id.is_none() && self.are_of(subject)
    }

    /// Who of a group it is, where the entry names one. What goes on record by this name is short and printable.
    pub(crate) fn person(&self, subject: &SubjectEntry) -> Person {
        let is_name = |sub: &&str| {
            !sub.is_empty() && sub.len() <= MAX_PERSON_BYTES && !sub.chars().any(char::is_control)
        };
        match (&subject.group, self.sub.as_deref().filter(is_name)) {
            (None, _) => Person::Sole,
            (Some(_), Some(sub)) => Person::OfGroup(sub.into()),
            (Some(_), None) => Person::Unnamed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn are_of(claims: &Value, subject: &Value) -> bool {
        let mut all = json!({ "iss": "https://idp.example", "aud": "x", "exp": 9e9 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let mut entry = json!({ "issuer": "https://idp.example" });
        entry.as_object_mut().unwrap().extend(subject.as_object().unwrap().clone());
        let claims: Claims = serde_json::from_value(all).unwrap();
        claims.are_of(&serde_json::from_value(entry).unwrap())
    }

    #[test]
    fn a_subject_is_matched_by_what_its_entry_names() {
        let machine = json!({ "sub": "c", "client_id": "c", "scope": "append read" });
        let person = json!({ "sub": "ada", "azp": "console", "groups": ["auditors"] });
        for (claims, subject, expected) in [
            (&machine, json!({ "client_id": "c" }), true),
            (&machine, json!({ "client_id": "c", "scopes": ["append"] }), true),
            (&machine, json!({ "client_id": "c", "scopes": ["append", "admin"] }), false),
            (&machine, json!({ "client_id": "c", "scopes": ["app"] }), false),
            (&machine, json!({ "client_id": "d" }), false),
            (&machine, json!({ "group": "auditors" }), false),
            (&person, json!({ "sub": "ada" }), true),
            (&person, json!({ "client_id": "console" }), true),
            (&person, json!({ "group": "auditors" }), true),
            (&person, json!({ "group": "auditor" }), false),
            (&person, json!({ "sub": "ada", "scopes": ["append"] }), false),
            (&person, json!({ "issuer": "https://other.example", "sub": "ada" }), false),
        ] {
            assert_eq!(are_of(claims, &subject), expected, "{claims} {subject}");
        }
    }

    #[test]
    fn who_of_a_group_it_is_can_be_put_on_record() {
        let group: SubjectEntry =
            serde_json::from_value(json!({ "issuer": "https://idp.example", "group": "auditors" })).unwrap();
        let person = |sub: Value| {
            let all = json!({ "iss": "i", "aud": "x", "exp": 1, "sub": sub, "groups": ["auditors"] });
            serde_json::from_value::<Claims>(all).unwrap().person(&group)
        };
        assert_eq!(person(json!("ada")), Person::OfGroup("ada".into()));
        for odd in [json!(null), json!(""), json!("a\nb"), json!("x".repeat(MAX_PERSON_BYTES + 1))] {
            assert_eq!(person(odd), Person::Unnamed);
        }
    }

    #[test]
    fn a_claim_of_the_wrong_type_is_no_absent_claim() {
        for wrong in
            [json!({ "sub": 7 }), json!({ "groups": [7] }), json!({ "scope": {} }), json!({ "nbf": "now" })]
        {
            let mut all = json!({ "iss": "i", "aud": ["x"], "exp": 1 });
            all.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            assert!(serde_json::from_value::<Claims>(all).is_err(), "{wrong}");
        }
    }
}
