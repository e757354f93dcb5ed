//! What a runner process is started with, and why one cannot go on.

use super::home::HomeError;
use crate::agents::AgentKind;
use crate::dispatch::ClientError;
use crate::sandbox::Launcher;
use crate::workspace::GitSettings;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Settings of one runner process.
#[derive(Clone)]
pub struct RunnerOptions {
    /// Directory for mirrors and attempts; absolute. One runner process at a time uses it.
    pub data_dir: PathBuf,
    /// The control plane's private socket.
    pub socket: PathBuf,
    /// The runner token.
    pub token: SecretString,
    /// How many attempts run at once, at least 1.
    pub slots: u32,
    /// The agents that it offers.
    pub agents: Vec<AgentConfig>,
    /// Starts everything that runs here.
    pub launcher: Launcher,
    /// Git, as the host runs it and as it is found in a work tree.
    pub git: GitSettings,
    /// Takes secrets out of everything that leaves this process as text.
    pub redact: Arc<dyn Redact>,
}

/// One agent that can run here.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The name by which repositories ask for it.
    pub name: String,
    /// What it is.
    pub kind: AgentKind,
    /// The program and its first arguments.
    pub command: Vec<String>,
    /// Variables of the operator's for it.
    pub env: BTreeMap<String, String>,
    /// Where its model is; `None` for an agent that needs none.
    pub model_base_url: Option<String>,
    /// The key for that.
    pub key: Option<SecretString>,
}

/// Takes secrets out of text.
pub trait Redact: Send + Sync {
    /// A whole text, without secrets and terminal escapes.
    fn text(&self, text: &str) -> String;
    /// The same for bytes that come in pieces.
    fn stream(&self) -> Box<dyn RedactStream>;
    /// Looks for this value from now on.
    fn add(&self, secret: &str);
    /// Stops looking for it.
    fn remove(&self, secret: &str);
}

/// Takes secrets out of bytes that come in pieces, wherever a piece ends.
pub trait RedactStream: Send {
    /// Takes the next piece and gives back what is sure by now.
    fn push(&mut self, piece: &[u8]) -> String;
    /// Gives back the rest.
    fn finish(&mut self) -> String;
}

/// Why a runner process ended, other than being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The control plane does not want it: another version, or a wrong token.
    #[error("the control plane refused this runner: {0}")]
    Refused(String),
}
