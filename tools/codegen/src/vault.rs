//! The package of a vault. Its messages are read and written as the JSON that the same operations have over HTTP, so their Rust types have
//! what serde needs for that.

use std::path::Path;

use anyhow::Result;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

/// Messages that are in JSON what their one field is.
const TRANSPARENT: [&str; 5] = ["CaseItem", "FoundPeople", "Names", "SourceStep", "Target"];
/// The choices among those, with the names that JSON has for them.
const CHOICES: [&str; 3] = ["CaseItem.item", "SourceStep.step", "Target.target"];
/// Fields that are text here and whole values in JSON; whether each may be left out.
const VALUES: [(&str, bool); 5] = [
    ("MadeBundle.bundle", false),
    ("OpenedRecord.grade", true),
    ("OpenedRecord.record", true),
    ("Presented.presentation", false),
    ("TaughtRecord.record", false),
];

pub(crate) fn generate(descriptors: FileDescriptorSet, out: &Path) -> Result<()> {
    let mut config = tonic_prost_build::Config::new();
    // A request is checked for unknown fields by the name of its type.
    config.enable_type_names().btree_map(["."]);
    config.message_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]");
    for choice in CHOICES {
        let derived =
            r#"#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "kebab-case")]"#;
        config.type_attribute(path(choice), derived);
    }
    for (field, may_be_missing) in VALUES {
        let module = if may_be_missing { "optional_json" } else { "json" };
        config.field_attribute(path(field), format!(r#"#[serde(with = "crate::vault::{module}")]"#));
    }
    for message in descriptors.file.iter().flat_map(|file| &file.message_type) {
        let name = message.name();
        let attribute = match name {
            _ if TRANSPARENT.contains(&name) => "#[serde(transparent)]",
            // In JSON a choice without a value is null.
            "Due" => r#"#[serde(from = "()", into = "()")]"#,
            _ if name.ends_with("Request") => "#[serde(default, deny_unknown_fields)]",
            // A value of an answer that no field is there for must not be lost.
            _ => "#[serde(deny_unknown_fields)]",
        };
        config.message_attribute(path(name), attribute);
        name_values(&mut config, message);
    }
    // The server's side is one function for all methods.
    let builder =
        tonic_prost_build::configure().out_dir(out).build_server(false).emit_rerun_if_changed(false);
    Ok(builder.compile_fds_with_config(descriptors, config)?)
}

/// Values of enumerations are names in JSON.
fn name_values(config: &mut tonic_prost_build::Config, message: &DescriptorProto) {
    for field in message.field.iter().filter(|field| field.r#type() == Type::Enum) {
        let name = field.type_name().rsplit('.').next().unwrap_or_default();
        let attribute = format!(
            r#"#[serde(serialize_with = "crate::vault::names::write::<{name}, _>", deserialize_with = "crate::vault::names::read::<{name}, _>", skip_serializing_if = "crate::vault::names::is_unspecified")]"#
        );
        config.field_attribute(path(&format!("{}.{}", message.name(), field.name())), attribute);
    }
}

fn path(name: &str) -> String {
    format!(".vouchlog.vault.v1.{name}")
}
