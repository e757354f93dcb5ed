//! `divisi config check`: a file, read by the same reader as `serve` and a run.

use super::{Which, report};
use crate::cli::exit::Exit;
use crate::cli::terminal::{ended, say, warn};
use crate::config::{Checked, ConfigError, FileKind, Layers, RepoFile};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check a file as `serve` and a run read it: exit code 0 when it is right, 9 when it is not.
///
/// A file right below a directory `.github` is a repository's, any other a server's; `--as` says otherwise. A
/// server's file is read together with the `DIVISI_…` variables of the environment. What `serve` needs and is only
/// not here (a secret that another machine's environment holds, a key file) is told and is no mistake of the file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file [default: what DIVISI_CONFIG names, else divisi.toml; with `--as repository` .github/divisi.toml].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Which of the two files it is [default: by its directory].
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Which>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> anyhow::Result<Exit> {
    let by_path = args.file.as_deref().map_or(FileKind::Server, FileKind::of);
    let kind = args.kind.map_or(by_path, FileKind::from);
    let (name, result) = match (kind, &args.file) {
        (FileKind::Server, path) => server(path.as_deref()),
        (FileKind::Repository, Some(path)) => (path.display().to_string(), repository(path)),
        (FileKind::Repository, None) => {
            let usual = Path::new(".github/divisi.toml");
            (usual.display().to_string(), repository(usual))
        }
    };
    if args.json {
        let (problems, checked) = match &result {
            Ok(checked) => (Vec::new(), checked),
            Err(error) => (report::problems(error), &Checked::default()),
        };
        let found = json!({
            "file": name, "kind": kind.as_str(), "ok": result.is_ok(), "problems": problems,
            "absent": checked.absent.iter().map(report::problem).collect::<Vec<_>>(),
            "warnings": report::warnings(&checked.warnings),
        });
        say(&serde_json::to_string_pretty(&found)?);
        return Ok(if result.is_ok() { Exit::Done } else { Exit::Other });
    }
    match result {
        Ok(checked) => {
            say(&format!("{name}: ok, read as a {} file", kind.as_str()));
            report::tell(&checked.warnings, &checked.absent);
            Ok(Exit::Done)
        }
        Err(error @ ConfigError::Read { .. }) => Err(ended(Exit::Other, error.to_string())),
        Err(error) => {
            warn(&error.to_string());
            warn(&format!("{name}: not ok, read as a {} file{}", kind.as_str(), hint(args.kind, kind)));
            Ok(Exit::Other)
        }
    }
}

/// Only who did not say what the file is may have meant the other.
fn hint(said: Option<Which>, read: FileKind) -> &'static str {
    match (said, read) {
        (Some(_), _) => "",
        (None, FileKind::Server) => "; a repository's is read with --as repository",
        (None, FileKind::Repository) => "; a server's is read with --as server",
    }
}

fn server(path: Option<&Path>) -> (String, Result<Checked, ConfigError>) {
    let layers = match Layers::read(path) {
        Ok(layers) => layers,
        Err(error) => {
            let name = match &error {
                ConfigError::Read { file, .. } => file.display().to_string(),
                ConfigError::Invalid { .. } => String::new(),
            };
            return (name, Err(error));
        }
    };
    match &layers.file {
        Some((name, _)) => (name.clone(), layers.check()),
        // `serve` would start without one; who asks for a check believes that there is one.
        None => ("divisi.toml".to_owned(), Err(unread(Path::new("divisi.toml"), missing()))),
    }
}

fn missing() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::NotFound, "there is none here, and DIVISI_CONFIG names none")
}

fn unread(path: &Path, source: std::io::Error) -> ConfigError {
    ConfigError::Read { file: path.to_owned(), source }
}

fn repository(path: &Path) -> Result<Checked, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| unread(path, source))?;
    RepoFile::check(&path.display().to_string(), &text).map(|()| Checked::default())
}
