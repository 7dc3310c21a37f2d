//! Cases of a vault: opening one, adding to it, notes, closing it.

use clap::Subcommand;
use serde_json::json;
use vouchlog_desk::{
    AddToCase, Ask, Case, CaseEntry, CaseItem, CaseRow, CaseRows, CaseState, ChangedCase, CloseCase,
    ListCases, NoteCase, OpenCase, ShowCase,
};
use vouchlog_record::RecordId;
use vouchlog_session::plain;

use super::lists::{PageArgs, print};
use crate::commands::custody::{CustodyArgs, VaultArgs};
use crate::commands::desk::OpenDesk;
use crate::output::{self, Outcome, Output};

/// `vouchlog vault case`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault case open INC-2231 --reason 'refund of order 8841' \\\n    \
                        --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n  \
                        vouchlog vault --vault vault case add INC-2231 --session sess-4c19 --reason 'the refund' \\\n    \
                        --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n  \
                        vouchlog vault --vault vault case show INC-2231\n\n\
                        Opening a case, adding to it, notes and closing it take the role review. Each is a record in the log, with the name of the\n\
                        principal and the reason, and cannot be changed later. A closed case takes nothing more."
)]
pub(crate) struct CaseArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Open a case
    Open {
        /// Its name. It is recorded in the log, so it should not name a person
        name: String,
        /// The person or team that it is with; without it, the caller
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        #[command(flatten)]
        recorded: RecordedArgs,
    },
    /// Add a session, a legal hold or a disclosure to a case
    Add {
        /// The name of the case
        name: String,
        #[command(flatten)]
        item: ItemArgs,
        #[command(flatten)]
        recorded: RecordedArgs,
    },
    /// Write a note to a case
    Note {
        /// The name of the case
        name: String,
        /// The note: one line. It is recorded in the log, so it should not name a person
        text: String,
        #[command(flatten)]
        custody: CustodyArgs,
    },
    /// Close a case: it takes nothing more
    Close {
        /// The name of the case
        name: String,
        #[command(flatten)]
        recorded: RecordedArgs,
    },
    /// List the cases, those first to which something was done last
    List {
        /// Only cases in this state
        #[arg(long, value_enum)]
        in_state: Option<State>,
        /// Only cases to which this session was added
        #[arg(long, value_name = "NAME")]
        session: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show a case and everything that was done
    Show {
        /// The name of the case
        name: String,
    },
}

/// What the log records.
#[derive(clap::Args)]
struct RecordedArgs {
    /// The reason: a ticket or a document. It is recorded in the log, so it should not name a person
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    custody: CustodyArgs,
}

/// What is added.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct ItemArgs {
    /// A session, by its name
    #[arg(long, value_name = "NAME")]
    session: Option<String>,
    /// A legal hold, by its name
    #[arg(long, value_name = "NAME")]
    hold: Option<String>,
    /// The record of a disclosure, as `vault disclosures` lists it
    #[arg(long, value_name = "ID")]
    disclosure: Option<RecordId>,
}

impl ItemArgs {
    fn item(self) -> Option<CaseItem> {
        let session = self.session.map(CaseItem::Session);
        let disclosure = self.disclosure.map(|record| CaseItem::Disclosure(record.as_str().to_owned()));
        session.or(self.hold.map(CaseItem::Hold)).or(disclosure)
    }
}

/// A state of a case on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// It takes more
    Open,
    /// It was closed
    Closed,
}

impl From<State> for CaseState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Closed => Self::Closed,
        }
    }
}

const fn word(state: CaseState) -> &'static str {
    match state {
        CaseState::Open => "open",
        CaseState::Closed => "closed",
    }
}

impl CaseArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let tenant = Some(vault.tenant.clone());
        match self.what {
            What::Open { name: case, owner, recorded: RecordedArgs { reason, custody } } => {
                let ask = OpenCase { tenant, case, owner, reason };
                change(vault, &custody, output, ("opened", ask)).await
            }
            What::Add { name: case, item, recorded: RecordedArgs { reason, custody } } => {
                let item = item.item().ok_or_else(|| anyhow::anyhow!("name what is added"))?;
                change(vault, &custody, output, ("added to", AddToCase { tenant, case, item, reason })).await
            }
            What::Note { name: case, text: note, custody } => {
                change(vault, &custody, output, ("noted", NoteCase { tenant, case, note })).await
            }
            What::Close { name: case, recorded: RecordedArgs { reason, custody } } => {
                change(vault, &custody, output, ("closed", CloseCase { tenant, case, reason })).await
            }
            What::List { in_state, session, page } => {
                let state = in_state.map(Into::into);
                let ask = ListCases { tenant, state, session, after: page.after, limit: Some(page.limit) };
                let CaseRows { cases, next } = read(vault, ask).await?;
                print(output, "cases", (cases.iter().map(line).collect(), json!(cases)), next.as_deref())
            }
            What::Show { name: case } => {
                let Case { row, entries } = read(vault, ShowCase { tenant, case }).await?;
                let lines: Vec<String> = [line(&row)].into_iter().chain(entries.iter().map(entry)).collect();
                output.answer(&lines.join("\n"), &json!({ "case": row, "entries": entries }))?;
                Ok(Outcome::Fine)
            }
        }
    }
}

async fn read<A: Ask>(vault: &VaultArgs, ask: A) -> anyhow::Result<A::Answer> {
    let desk = OpenDesk::reading(vault).await?;
    let answer = desk.ask(ask).await;
    desk.close().await;
    answer
}

async fn change<A: Ask<Answer = ChangedCase>>(
    vault: &VaultArgs,
    custody: &CustodyArgs,
    output: Output,
    (done, ask): (&str, A),
) -> anyhow::Result<Outcome> {
    let desk = OpenDesk::recording(vault, custody).await?;
    let changed = desk.ask(ask).await;
    desk.close().await;
    let ChangedCase { case, record } = changed?;
    let words = format!("case {}: {done}; recorded as {record}", plain(&case));
    output.answer(&words, &json!({ "case": case, "record": record }))?;
    Ok(Outcome::Fine)
}

fn line(row: &CaseRow) -> String {
    format!(
        "{}  {} ({})  owner {}  {}, opened {}",
        output::moment(row.changed),
        plain(&row.case),
        word(row.state),
        plain(&row.owner),
        output::count(row.records, "record", "records"),
        output::moment(row.opened)
    )
}

fn entry(entry: &CaseEntry) -> String {
    let item = match &entry.item {
        None => String::new(),
        Some(CaseItem::Session(session)) => format!(" session {}", plain(session)),
        Some(CaseItem::Hold(hold)) => format!(" legal hold {}", plain(hold)),
        Some(CaseItem::Disclosure(record)) => format!(" disclosure {record}"),
    };
    format!(
        "  {}  {}{item} by {}: {}  {}",
        output::moment(entry.at),
        entry.action,
        plain(&entry.by),
        plain(&entry.text),
        super::entry(entry.entry)
    )
}
