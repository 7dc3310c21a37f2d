//! The steps of a record, gathered one after the other.

use jiff::Timestamp;
use vouchlog_record::{Field, OneOrMany};

use crate::timeline::{State, Step};

/// A step, before it is put into the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StepLine {
    pub(crate) step: Step,
    pub(crate) at: Option<Timestamp>,
    pub(crate) words: String,
    pub(crate) pointer: String,
    /// 0 for a step of the record, 1 for a step of such a step.
    pub(crate) depth: usize,
    pub(crate) state: State,
}

/// What is told of a field: its words, when it happened, how the field is spelled.
pub(crate) struct StepText {
    pub(crate) words: String,
    pub(crate) at: Option<Timestamp>,
    pub(crate) state: State,
}

impl StepText {
    pub(crate) fn shown(words: String) -> Self {
        Self { words, at: None, state: State::Shown }
    }

    pub(crate) fn at(mut self, at: &Field<Timestamp>) -> Self {
        self.at = at.value().copied();
        self
    }
}

/// Gathers the steps of a record.
#[derive(Default)]
pub(crate) struct StepList(pub(crate) Vec<StepLine>);

impl StepList {
    /// Adds a step about a field, or about what became of it. Nobody having said anything makes no step: what that means
    /// for the record, its findings tell.
    pub(crate) fn group<T>(
        &mut self,
        step: Step,
        pointer: &str,
        depth: usize,
        field: &Field<T>,
        words: impl FnOnce(&T) -> StepText,
    ) {
        let (told, state) = match field {
            Field::Absent => return,
            Field::Value(value) => {
                let told = words(value);
                if told.words.is_empty() {
                    return;
                }
                let state = told.state;
                (told, state)
            }
            Field::NotApplicable => (StepText::shown("not applicable".to_owned()), State::NotApplicable),
            Field::Redacted => (StepText::shown("withheld".to_owned()), State::Redacted),
            Field::Erased => (StepText::shown("erased".to_owned()), State::Erased),
        };
        self.0.push(StepLine {
            step,
            at: told.at,
            words: told.words,
            pointer: pointer.to_owned(),
            depth,
            state,
        });
    }

    /// A step for a group, or for each of several.
    pub(crate) fn one_or_many<T>(
        &mut self,
        step: Step,
        pointer: &str,
        field: &Field<OneOrMany<T>>,
        words: impl Fn(&T) -> StepText,
    ) {
        let Some(all) = field.value() else {
            return self.group(step, pointer, 0, field, |_| StepText::shown(String::new()));
        };
        for (pointer, one) in all.places(pointer) {
            let StepText { words, at, state } = words(one);
            if !words.is_empty() {
                self.0.push(StepLine { step, at, words, pointer, depth: 0, state });
            }
        }
    }

    /// A step for each element of a list.
    pub(crate) fn list<T>(
        &mut self,
        step: Step,
        pointer: &str,
        depth: usize,
        field: &Field<Vec<T>>,
        words: impl Fn(&T) -> StepText,
    ) {
        let Some(list) = field.value() else {
            return self.group(step, pointer, depth, field, |_| StepText::shown(String::new()));
        };
        for (place, element) in list.iter().enumerate() {
            let StepText { words, at, state } = words(element);
            let pointer = format!("{pointer}/{place}");
            self.0.push(StepLine { step, at, words, pointer, depth, state });
        }
    }
}
