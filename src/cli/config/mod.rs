//! `divisi config`: what the settings are, whether a file is right, and what a file may hold.

mod check;
mod report;
mod show;

use super::exit::Exit;
use super::terminal::say;
use crate::config::{self, FileKind};

/// Check, describe and show the settings.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Check(check::Args),
    Schema(SchemaArgs),
    Show(show::Args),
}

/// Print the JSON Schema (draft 2020-12) of a file, for editors and other programs.
///
/// It is made from what the reader knows, accepts all that the reader accepts, and refuses unknown keys and wrong
/// types. What a schema cannot say, `divisi config check` does.
#[derive(Debug, clap::Args)]
struct SchemaArgs {
    /// Which file.
    #[arg(value_enum, default_value_t = Which::Server, value_name = "KIND")]
    kind: Which,
    /// Taken as by every command that reads; a schema is JSON anyway.
    #[arg(long)]
    json: bool,
}

/// The two files, as words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The operator's `divisi.toml`.
    Server,
    /// A repository's `.github/divisi.toml`.
    Repository,
}

impl From<Which> for FileKind {
    fn from(which: Which) -> Self {
        match which {
            Which::Server => Self::Server,
            Which::Repository => Self::Repository,
        }
    }
}

pub(super) fn main(args: Args) -> anyhow::Result<Exit> {
    match args.verb {
        Verb::Check(args) => check::main(&args),
        Verb::Schema(args) => schema(args.kind.into()),
        Verb::Show(args) => show::main(&args),
    }
}

fn schema(kind: FileKind) -> anyhow::Result<Exit> {
    say(&serde_json::to_string_pretty(&config::json_schema(kind))?);
    Ok(Exit::Done)
}
