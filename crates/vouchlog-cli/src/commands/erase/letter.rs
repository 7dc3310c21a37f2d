//! Writing the letter for a person who asked to be erased.

use std::path::PathBuf;

use vouchlog_console::Letter;
use vouchlog_desk::limits::MAX_NAMED_RECORDS;
use vouchlog_desk::{CheckErased, PlanErasure, Target};
use vouchlog_runtime::durable::{self, Mode};

use crate::commands::desk::{self, OpenDesk};
use crate::commands::named;
use crate::terminal;

/// Completes a letter by what became of the request, as the vault has it now: also if the log could not be reached, or another process
/// did a part.
pub(super) async fn complete(
    letter: &mut Letter,
    desk: &OpenDesk,
    basis: &str,
    (tenant, target): (Option<String>, Target),
) -> anyhow::Result<()> {
    // Not patiently: nothing of this needs the log.
    for records in letter.records().to_vec().chunks(MAX_NAMED_RECORDS) {
        let ask = CheckErased { tenant: tenant.clone(), records: records.to_vec() };
        letter.erased(desk.desk().ask(ask).await.map_err(desk::advise)?);
    }
    let left = PlanErasure { tenant, target, summary: false };
    letter.done(desk.desk().ask(left).await.map_err(desk::advise)?, basis);
    Ok(())
}

/// Writes it, for its owner alone: as a page where the name of the file ends so, else as text.
pub(super) fn write(letter: &Letter, files: &[PathBuf]) -> anyhow::Result<()> {
    for file in files {
        let is_page = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("html"));
        let text = if is_page { letter.html() } else { terminal::words(&letter.text()) };
        durable::write(file, text.as_bytes(), Mode::Private).map_err(|failed| named(file, failed))?;
    }
    Ok(())
}
