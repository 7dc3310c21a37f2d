//! What to look for.

use std::fmt;
use std::str::FromStr;

use vouchlog_record::Facet;
use vouchlog_stream::StatementKind;

use crate::limits::{MAX_QUERY_FACETS, MAX_ROWS, MAX_VALUE_BYTES};
use crate::{Result, VaultError};

/// A search. The default finds the oldest [`MAX_ROWS`] records.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    /// All of them must match.
    pub facets: Vec<(Facet, String)>,
    /// Of this tenant only. Without one each tenant is searched in turn: name it where there are many.
    pub tenant: Option<String>,
    /// Of these kinds only; none is all.
    pub kinds: Vec<StatementKind>,
    /// Started at this time or later.
    pub from: Option<i64>,
    /// Started before this time.
    pub to: Option<i64>,
    /// By the time they began.
    pub order: Order,
    /// The [`Row::cursor`](crate::Row::cursor) of the last row that was already seen.
    pub after: Option<Cursor>,
    /// At most so many rows; more than [`MAX_ROWS`] is [`MAX_ROWS`].
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            facets: Vec::new(),
            tenant: None,
            kinds: Vec::new(),
            from: None,
            to: None,
            order: Order::OldestFirst,
            after: None,
            limit: MAX_ROWS,
        }
    }
}

impl fmt::Debug for Query {
    /// Without the values searched for: they name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("facets", &self.facets.iter().map(|(facet, _)| facet.name()).collect::<Vec<_>>())
            .field("tenant", &self.tenant)
            .field("kinds", &self.kinds)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("order", &self.order)
            .field("after", &self.after)
            .field("limit", &self.limit)
            .finish()
    }
}

/// The order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By the time they began.
    #[default]
    OldestFirst,
    /// The other way round.
    NewestFirst,
}

/// A place between two rows. It stays where it is while records are kept and erased; what is kept later and began earlier is on
/// a page that was already seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) started_at: i64,
    pub(crate) n: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started_at, self.n)
    }
}

impl FromStr for Cursor {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('.').map(|(started_at, n)| (started_at.parse(), n.parse()));
        match numbers {
            Some((Ok(started_at), Ok(n))) => Ok(Self { started_at, n }),
            _ => Err(VaultError::invalid("this is not a cursor: use the one of the last row")),
        }
    }
}

impl Query {
    /// Refuses what cannot be searched for.
    pub(crate) fn check(&self) -> Result<()> {
        if self.facets.len() > MAX_QUERY_FACETS {
            return Err(VaultError::invalid(format!("a query has at most {MAX_QUERY_FACETS} facets")));
        }
        if self.facets.iter().any(|(_, value)| value.len() > MAX_VALUE_BYTES) {
            return Err(VaultError::invalid(format!("a facet has at most {MAX_VALUE_BYTES} bytes")));
        }
        Ok(())
    }

    /// How many rows at most.
    pub(crate) fn rows(&self) -> usize {
        self.limit.min(MAX_ROWS)
    }
}
