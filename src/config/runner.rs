//! What a runner process is told, and the text form in which `serve` hands it to the child that it starts.
//!
//! The embedded runner never reads `divisi.toml` itself: the file may hold the App key, and the process that
//! handles what agents produce must never have that in its memory. So the parent sends this over a pipe.

use super::server::{Agent, AgentKind};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Settings of one runner process. Holds the model keys; its `Debug` hides them.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// Directory for mirrors, worktrees and logs.
    pub data_dir: PathBuf,
    /// How many agents run at the same time, at least 1.
    pub slots: u32,
    /// The agents that it offers, by name.
    pub agents: BTreeMap<String, Agent>,
}

/// A handed-over configuration that cannot be read: the two processes are of different versions.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the configuration that `serve` handed over: {0}")]
pub struct HandoverError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    data_dir: PathBuf,
    slots: u32,
    agents: BTreeMap<String, WireAgent>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAgent {
    kind: String,
    command: Vec<String>,
    env: BTreeMap<String, String>,
    model_base_url: Option<String>,
    key: Option<String>,
}

impl RunnerConfig {
    /// One line of JSON **with the model keys in it**: write it to a pipe of the child, nowhere else.
    pub fn to_handover(&self) -> SecretString {
        let agents = self.agents.iter().map(|(name, agent)| {
            let wire = WireAgent {
                kind: agent.kind.as_str().to_owned(),
                command: agent.command.clone(),
                env: agent.env.clone(),
                model_base_url: agent.model_base_url.clone(),
                key: agent.key.as_ref().map(|key| key.expose_secret().to_owned()),
            };
            (name.clone(), wire)
        });
        let wire = Wire { data_dir: self.data_dir.clone(), slots: self.slots, agents: agents.collect() };
        SecretString::from(serde_json::json!(wire).to_string())
    }

    /// Reads what [`Self::to_handover`] wrote.
    pub fn from_handover(text: &str) -> Result<Self, HandoverError> {
        let wire: Wire = serde_json::from_str(text).map_err(|error| HandoverError(error.to_string()))?;
        let mut agents = BTreeMap::new();
        for (name, agent) in wire.agents {
            let kind = AgentKind::parse(&agent.kind)
                .ok_or_else(|| HandoverError(format!("unknown agent kind `{}`", agent.kind)))?;
            if agent.command.is_empty() {
                return Err(HandoverError(format!("agent `{name}` has no command")));
            }
            let agent = Agent {
                kind,
                command: agent.command,
                env: agent.env,
                model_base_url: agent.model_base_url,
                key: agent.key.map(SecretString::from),
            };
            agents.insert(name, agent);
        }
        Ok(Self { data_dir: wire.data_dir, slots: wire.slots.max(1), agents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> RunnerConfig {
        let mut claude = Agent::claude();
        claude.key = Some(SecretString::from("sk-ant-canary"));
        claude.env.insert("LANG".into(), "C".into());
        RunnerConfig {
            data_dir: "/data".into(),
            slots: 3,
            agents: BTreeMap::from([
                ("claude".to_owned(), claude),
                ("mine".to_owned(), Agent::command(vec!["/bin/agent".into(), "--fast".into()])),
            ]),
        }
    }

    #[test]
    fn what_is_handed_over_comes_back() {
        let sample = sample();
        let back = RunnerConfig::from_handover(sample.to_handover().expose_secret()).unwrap();
        assert_eq!(back.to_handover().expose_secret(), sample.to_handover().expose_secret());
        assert_eq!(back.agents["mine"].command, ["/bin/agent", "--fast"]);
    }

    #[test]
    fn debug_hides_the_key() {
        assert!(!format!("{:?}", sample()).contains("canary"));
    }

    #[test]
    fn a_text_of_another_version_is_refused() {
        assert!(RunnerConfig::from_handover("{\"data_dir\":\"/d\",\"slots\":1}").is_err());
        assert!(
            RunnerConfig::from_handover("{\"data_dir\":\"/d\",\"slots\":1,\"agents\":{},\"x\":1}").is_err()
        );
    }
}
