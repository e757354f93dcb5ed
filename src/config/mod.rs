//! Settings: the server's file and environment, and a repository's `.github/divisi.toml`, read once into
//! checked structs. The only reader of the environment (`std::env`) in the program.
//!
//! A file is first parsed alone, against the table in `schema`, so that a mistake is shown with file, line and
//! key; only then are the layers put together: defaults < file < environment. A file that does not parse stops
//! the start: Divisi never goes on with defaults in place of what it could not read.

mod effective;
mod environment;
mod file_kind;
pub mod host;
mod json_schema;
mod load;
mod machine;
mod nearest;
mod problem;
mod reader;
mod repository;
mod runner;
pub mod schema;
mod secret;
mod server;
mod template;
mod value;

pub use effective::{Origin, Setting, Shown};
pub use environment::Warning;
pub use file_kind::FileKind;
pub use json_schema::json_schema;
pub use load::{Checked, Layers, Loaded, check, load, load_agents};
pub use machine::default_slots;
pub use problem::{ConfigError, Place, Problem};
pub use repository::{RepoFile, RepoFileError};
pub use runner::{HandoverError, RunnerConfig};
pub use server::{
    Agent, AgentKind, Api, ApiToken, Config, Database, Deliveries, GitHub, Limits, Metrics, Proof, Role,
    Runner, RunnerApi,
};
