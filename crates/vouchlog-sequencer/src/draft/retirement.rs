//! The end of a log in a batch: the retirement is its last entry, and nothing follows.

use std::sync::Arc;

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_stream::{Entry, Retirement};

use super::Draft;
use crate::queue::Done;
use crate::state::RetiredLog;

impl Draft<'_> {
    /// Ends the log. The caller drafts nothing after it. The retirement that ended the log is answered as before.
    pub(crate) fn retire(&mut self, note: String, retirement: &Retirement) -> Result<Done> {
        if let Some(retired) = self.retired.as_ref().filter(|retired| retired.retirement == *retirement) {
            return Ok(Done::Retired(retired.index));
        }
        self.check_not_retired()?;
        let index = self.push(&Entry::LogRetired { logged_at: self.now, note });
        self.retired = Some(Arc::new(RetiredLog { index, retirement: retirement.clone() }));
        Ok(Done::Retired(index))
    }

    /// Whether the log has ended, before this batch or in it.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.is_some()
    }

    /// Refuses what would follow the end of the log.
    pub(super) fn check_not_retired(&self) -> Result<()> {
        match &self.retired {
            None => Ok(()),
            Some(retired) => Err(Error::new(ErrorKind::Retired, retired.to_string())),
        }
    }
}
