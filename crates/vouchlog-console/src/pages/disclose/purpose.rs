//! What fields are disclosed for.

use vouchlog_record::is_content;

/// Groups that say who acted for whom, and what was decided.
const ACCOUNTABILITY: [&str; 13] = [
    "time",
    "correlation",
    "initiator",
    "session",
    "workload",
    "authority",
    "credential",
    "credentials",
    "grant",
    "policy",
    "approval",
    "override",
    "outcome",
];

/// Why fields are disclosed, which decides what is chosen at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Accountability,
    Credential,
    Person,
    Regulator,
    Custom,
}

impl Purpose {
    pub(super) const ALL: [Self; 5] =
        [Self::Accountability, Self::Credential, Self::Person, Self::Regulator, Self::Custom];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accountability => "accountability",
            Self::Credential => "credential",
            Self::Person => "person",
            Self::Regulator => "regulator",
            Self::Custom => "custom",
        }
    }

    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Accountability => ("Accountability", "Who, identity, credential, policy, outcome"),
            Self::Credential => ("Credential only", "Was it valid at each use"),
            Self::Person => ("Data subject", "What was held about one person"),
            Self::Regulator => ("Regulator", "All but content"),
            Self::Custom => ("Custom", "Choose each field"),
        }
    }

    pub(super) fn of(name: Option<&str>) -> Self {
        let named = Self::ALL.into_iter().find(|purpose| Some(purpose.name()) == name);
        named.unwrap_or(Self::Accountability)
    }

    /// Groups of a record that are chosen.
    pub(super) fn groups(self) -> impl Iterator<Item = &'static str> {
        let (groups, more): (&[&str], &[&str]) = match self {
            Self::Accountability => (&ACCOUNTABILITY, &[]),
            Self::Credential => {
                (&["time", "workload", "credential", "credentials", "grant", "credential_event"], &[])
            }
            Self::Person => (&["time", "initiator", "input", "output", "data", "outcome"], &[]),
            Self::Regulator => (
                &ACCOUNTABILITY,
                &["data", "model", "tools", "custody", "usage", "escalation", "session_seal"],
            ),
            Self::Custom => (&[], &[]),
        };
        groups.iter().chain(more).copied()
    }

    /// Whether a field is chosen at first. Content is given to the person it is about alone.
    pub(super) fn has(self, pointer: &str) -> bool {
        let group = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        self.groups().any(|chosen| chosen == group) && (self == Self::Person || !is_content(pointer))
    }
}
