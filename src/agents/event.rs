//! What an agent says while it works, in one vocabulary for all agents.

/// One thing that an agent told us. Texts are foreign.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent {
    /// It is up.
    Started {
        /// The session id that it uses.
        session: String,
        /// The model that it talks to, as far as it tells.
        model: String,
    },
    /// It uses a tool.
    Activity {
        /// The tool's name.
        tool: String,
        /// What it is used on: a path or a command in one line, capped.
        on: String,
    },
    /// Its model did not answer and it tries again: trouble at the provider, not with the task.
    Retry {
        /// HTTP status, if there was an answer.
        status: Option<u16>,
        /// Which attempt at the call this is, from 1.
        attempt: u32,
    },
    /// It says something.
    Text(String),
    /// What this process has used so far (not a difference).
    Usage {
        /// Tokens in and out, cached ones included.
        tokens: u64,
        /// US dollars.
        cost_usd: f64,
    },
    /// Its last word about the whole session.
    Final(FinalWord),
}

/// An agent's last word. It decides nothing alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalWord {
    /// It calls the session an error.
    pub is_error: bool,
    /// Its own name for how the session ended, such as `error_max_turns`.
    pub subtype: String,
    /// The status with which the model's API refused, if it did.
    pub api_status: Option<u16>,
    /// Its closing text.
    pub text: String,
    /// Tools that it was not allowed to use, each once.
    pub denied: Vec<String>,
    /// Errors that it lists.
    pub errors: Vec<String>,
}

/// Everything that mattered in the events of one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// It came up.
    pub started: bool,
    /// Its last word.
    pub last_word: Option<FinalWord>,
    /// The last thing that it said.
    pub text: String,
    /// The status of the last failed call to the model, while no later sign of life came: the process may hang in it.
    /// `Some(None)` is a call without any answer.
    pub waiting_for_model: Option<Option<u16>>,
    /// Tokens in and out.
    pub tokens: u64,
    /// US dollars.
    pub cost_usd: f64,
    /// Number of tool uses.
    pub tool_uses: u32,
}

impl Seen {
    /// Adds one event.
    pub fn take(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Retry { status, .. } => {
                self.waiting_for_model = Some(*status);
                return;
            }
            AgentEvent::Usage { tokens, cost_usd } => {
                self.tokens = *tokens;
                self.cost_usd = *cost_usd;
                return;
            }
            AgentEvent::Started { .. } => self.started = true,
            AgentEvent::Activity { .. } => self.tool_uses += 1,
            AgentEvent::Text(text) => self.text.clone_from(text),
            AgentEvent::Final(word) => self.last_word = Some(word.clone()),
        }
        self.waiting_for_model = None;
    }

    /// What the agent said last: its closing text, else the last text before.
    pub fn said(&self) -> &str {
        self.last_word.as_ref().map(|word| word.text.as_str()).filter(|t| !t.is_empty()).unwrap_or(&self.text)
    }
}
