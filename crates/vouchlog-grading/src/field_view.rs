//! A field as a check sees it: with the groups around it, and without the difference between redacted and erased.

use vouchlog_record::{Commitment, Content, Field};

/// A field as a check sees it, the groups around it included: what is in a redacted group is redacted.
pub(crate) enum FieldView<'a, T> {
    Value(&'a T),
    NotApplicable,
    Withheld,
    Absent,
}

impl<T> Clone for FieldView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for FieldView<'_, T> {}

pub(crate) fn view<T>(field: &Field<T>) -> FieldView<'_, T> {
    match field {
        Field::Value(value) => FieldView::Value(value),
        Field::NotApplicable => FieldView::NotApplicable,
        Field::Redacted | Field::Erased => FieldView::Withheld,
        Field::Absent => FieldView::Absent,
    }
}

impl<'a, T> FieldView<'a, T> {
    /// A field of this group.
    pub(crate) fn then<U>(self, get: impl FnOnce(&'a T) -> &'a Field<U>) -> FieldView<'a, U> {
        match self {
            Self::Value(group) => view(get(group)),
            Self::NotApplicable => FieldView::NotApplicable,
            Self::Withheld => FieldView::Withheld,
            Self::Absent => FieldView::Absent,
        }
    }

    pub(crate) const fn value(self) -> Option<&'a T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) const fn is_withheld(self) -> bool {
        matches!(self, Self::Withheld)
    }

    pub(crate) const fn is_not_applicable(self) -> bool {
        matches!(self, Self::NotApplicable)
    }

    fn filled(self, is_empty: impl FnOnce(&T) -> bool) -> Self {
        match self {
            Self::Value(value) if is_empty(value) => Self::Absent,
            other => other,
        }
    }
}

impl FieldView<'_, String> {
    /// An empty text says nothing, nor does one of white space.
    pub(crate) fn text(self) -> Self {
        self.filled(|text| text.trim().is_empty())
    }
}

impl FieldView<'_, Vec<String>> {
    /// Names, at least one of which is none of white space.
    pub(crate) fn names(self) -> Self {
        self.filled(|names| names.iter().all(|name| name.trim().is_empty()))
    }
}

impl<T> FieldView<'_, Vec<T>> {
    /// An empty list where there must be something.
    pub(crate) fn list(self) -> Self {
        self.filled(Vec::is_empty)
    }
}

/// Whether two commitments are to the same content; `None` where that cannot be told, because each has a salt of its own or they
/// are made in different ways.
pub(crate) fn same_content(one: &Commitment, other: &Commitment) -> Option<bool> {
    let is_keyed = |commitment: &Commitment| commitment.as_str().starts_with("hmac-");
    if one == other { Some(true) } else { (is_keyed(one) && is_keyed(other)).then_some(false) }
}

/// Whether content is there, itself or as a commitment.
pub(crate) fn committed(content: &Field<Content>) -> FieldView<'_, ()> {
    let content = view(content);
    let (text, commitment) =
        (content.then(|content| &content.content), content.then(|content| &content.commitment));
    if text.value().is_some() || commitment.value().is_some() {
        return FieldView::Value(&());
    }
    if text.is_withheld() || commitment.is_withheld() {
        return FieldView::Withheld;
    }
    if content.is_not_applicable() { FieldView::NotApplicable } else { FieldView::Absent }
}
