//! `crds`: the custom resource definitions as YAML, generated from the types.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use kube::ResourceExt;

use crate::kinds::schema;

/// Print the custom resource definitions as YAML, ready for kubectl apply.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arango-operator crds | kubectl apply --server-side -f -
  arango-operator crds --output crds

Exit codes: 0 they were printed or written, 1 an error that was printed, 2 wrong usage")]
pub struct CrdsArgs {
    /// Write one file per kind and a kustomization into this folder instead of printing.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &CrdsArgs) -> anyhow::Result<ExitCode> {
    let crds = documents()?;
    let Some(folder) = &args.output else {
        let text: String = crds.iter().flat_map(|(_, yaml)| ["---\n", yaml]).collect();
        super::output::write(&text)?;
        return Ok(ExitCode::SUCCESS);
    };
    write(folder, &files(&crds))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes generated files, by path below the folder.
pub(super) fn write(folder: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("could not make {}", parent.display()))?;
        std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

/// Each definition's name and YAML.
pub fn documents() -> anyhow::Result<Vec<(String, String)>> {
    let crds = schema::crds()?;
    crds.iter()
        .map(|crd| {
            let mut document = serde_json::to_value(crd)?;
            schema::whole_numbers(&mut document);
            Ok((crd.name_any(), serde_saphyr::to_string(&document).context("could not write a CRD as YAML")?))
        })
        .collect()
}

/// The files of the folder `crds/`: one per kind, and a kustomization of them.
pub fn files(documents: &[(String, String)]) -> Vec<(String, String)> {
    let header = "# Generated from the types by `arango-operator crds --output crds`. Do not edit.\n";
    let mut kustomization =
        format!("{header}apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n");
    let mut files = Vec::new();
    for (name, yaml) in documents {
        let file = format!("{name}.yaml");
        kustomization.extend(["  - ", &file, "\n"]);
        files.push((file, format!("{header}{yaml}")));
    }
    files.push(("kustomization.yaml".to_owned(), kustomization));
    files
}
