//! Writes the Rust of `proto/` into `crates/vouchlog-proto/src/generated`, or with `--check` says whether it is current.
//!
//! The generated code is committed, so that a build needs neither `protoc` nor a build script, and a change of the
//! contract shows in review. `protox` parses the files; nothing outside this workspace is run.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use prost::Message;
use prost_types::FileDescriptorSet;

mod vault;

/// A package of the contract. Of each is generated: messages and services, and the descriptors that gRPC reflection serves.
struct Package {
    name: &'static str,
    /// Its files, relative to `proto/`.
    protos: &'static [&'static str],
    generate: fn(FileDescriptorSet, &Path) -> Result<()>,
}

const PACKAGES: [Package; 2] = [
    Package {
        name: "vouchlog.v1",
        protos: &["vouchlog/v1/gateway.proto", "vouchlog/v1/log.proto", "vouchlog/v1/witness.proto"],
        generate: of_log,
    },
    Package {
        name: "vouchlog.vault.v1",
        protos: &["vouchlog/vault/v1/vault.proto"],
        generate: vault::generate,
    },
];

fn main() -> Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let check = match arguments.as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("usage: vouchlog-codegen [--check]"),
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let committed = workspace.join("crates/vouchlog-proto/src/generated");
    let fresh = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut stale = Vec::new();
    for package in &PACKAGES {
        let outputs = package.write(&workspace.join("proto"), fresh.path())?;
        for name in outputs {
            let bytes =
                fs::read(fresh.path().join(&name)).with_context(|| format!("{name} was not generated"))?;
            let target = committed.join(&name);
            if fs::read(&target).is_ok_and(|old| old == bytes) {
                continue;
            }
            if check {
                stale.push(target);
            } else {
                fs::write(&target, bytes).with_context(|| format!("cannot write {}", target.display()))?;
                println!("wrote {}", target.display());
            }
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!("{} not current: run `cargo run -p vouchlog-codegen --features generate`", list(&stale))
}

impl Package {
    /// Generates the package into `out`; the names of the files.
    fn write(&self, protos: &Path, out: &Path) -> Result<[String; 2]> {
        let [code, descriptors] = ["rs", "bin"].map(|ending| format!("{}.{ending}", self.name));
        let set = protox::compile(self.protos, [protos]).context("the protocol files do not compile")?;
        fs::write(out.join(&descriptors), set.encode_to_vec())?;
        (self.generate)(set, out).context("the code cannot be generated")?;
        Ok([code, descriptors])
    }
}

fn of_log(descriptors: FileDescriptorSet, out: &Path) -> Result<()> {
    let mut config = tonic_prost_build::Config::new();
    // A `Conflict` travels as `google.protobuf.Any`, which names its type.
    config.enable_type_names().type_name_domain(["."], "type.googleapis.com");
    let builder = tonic_prost_build::configure()
        .out_dir(out)
        // Digests and hashes are slices of the message they came in, not one allocation each.
        .bytes(".")
        .codec_path("crate::codec::BoundedCodec")
        .emit_rerun_if_changed(false);
    Ok(builder.compile_fds_with_config(descriptors, config)?)
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}
