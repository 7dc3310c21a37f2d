//! `vouchlog grade` and `vouchlog schema`: what a record lacks, and what one may hold. Nothing is kept or sent.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog::StatementKind;
use vouchlog_grading::{Context, Finding, Grade, Severity, grade};
use vouchlog_record::{Record, RecordId};

use super::record::{RecordFiles, read_records};
use crate::output::{Outcome, Output};

/// Stands for the gateway that will record them.
const RECORDER: &str = "recorder";

/// Report what records lack as evidence, and how to fix it
#[derive(clap::Args)]
#[command(after_help = "Example:\n  vouchlog grade interaction.json\n\n\
                        Records are read in order: a credential event or a configuration applies to the records after it.\n\
                        Exit status: 0 every record is complete, 1 something is missing or wrong.")]
pub(crate) struct GradeArgs {
    /// Files with one record, an array of records, or one record per line; - is standard input
    #[arg(value_name = "RECORD", required = true)]
    records: Vec<PathBuf>,
}

/// Print the JSON Schema of a record
#[derive(clap::Args)]
#[command(after_help = "Example:\n  vouchlog schema > record.schema.json")]
pub(crate) struct SchemaArgs {}

impl SchemaArgs {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let schema = Record::json_schema();
        output.answer(&serde_json::to_string_pretty(&schema)?, &schema)?;
        Ok(Outcome::Fine)
    }
}

impl GradeArgs {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let files = read_records(&self.records)?;
        files.warn_of_rejected()?;
        files.warn_of_secrets();
        let RecordFiles { mut records, rejected, .. } = files;
        for record in &mut records {
            record.body.custody.get_or_default().recorder = RECORDER.into();
        }
        // The recording gateway signs with a key in force; before that, the key is unknown.
        let mut context = Context::default().recorder_key_in_force(RECORDER, Timestamp::MIN, None);
        let mut grades = Vec::with_capacity(records.len());
        let unnamed = RecordId::from_random([0; 16]);
        for record in &records {
            grades.push(grade(record, &context));
            context.learn(record.id.as_ref().unwrap_or(&unnamed), record);
        }
        let mut lines = Vec::new();
        for (number, (record, grade)) in records.iter().zip(&grades).enumerate() {
            in_words(number + 1, record, grade, &mut lines);
        }
        let json: Vec<Value> = records
            .iter()
            .zip(&grades)
            .map(|(record, grade)| {
                json!({ "id": record.id, "kind": record.kind.name(), "grade": grade, "unknown": record.unknown().keys().collect::<Vec<_>>() })
            })
            .collect();
        output.answer(&lines.join("\n"), &json!({ "records": json }))?;
        let fine = rejected.is_empty()
            && grades
                .iter()
                .all(|grade| grade.findings.iter().all(|finding| finding.severity < Severity::Indeterminate));
        Ok(if fine { Outcome::Fine } else { Outcome::Finding })
    }
}

fn in_words(number: usize, record: &Record, grade: &Grade, lines: &mut Vec<String>) {
    let name = record.id.as_ref().map_or_else(|| format!("record {number}"), |id| format!("record {id}"));
    lines.push(format!("{name}: {}", record.kind));
    if matches!(record.kind, StatementKind::Interaction | StatementKind::Intent) {
        for (verdict, answer) in grade.verdicts.answers() {
            lines.push(format!("  {:<28} {answer}", verdict.replace('_', " ")));
        }
    }
    lines.push(format!("  {:<28} {}", "evidence", grade.evidence.names().join(", ")));
    if !record.unknown().is_empty() {
        let unknown: Vec<&str> = record.unknown().keys().map(String::as_str).collect();
        lines.push(format!("  {:<28} {}", "kept, but not understood", unknown.join(", ")));
    }
    let mut findings: Vec<&Finding> = grade.findings.iter().collect();
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.rule.code.cmp(b.rule.code)));
    for finding in findings {
        lines.push(format!(
            "  {} {} {}: {}",
            finding.severity, finding.rule.code, finding.rule.name, finding.message
        ));
        lines.push(format!("      fix: {}", finding.remedy()));
    }
}
