//! One request as its handler sees it, and the answer that it gives.

use crate::simulator::refusal::Refusal;
use crate::simulator::world::{Actor, World};
use jiff::Timestamp;
use serde_json::Value;

/// An authenticated request for a known route.
pub(super) struct Call<'a> {
    pub world: &'a mut World,
    /// Values of the route's parameters, decoded.
    pub params: Vec<(&'static str, String)>,
    /// Query pairs, decoded.
    pub query: Vec<(String, String)>,
    /// The JSON body; `null` when there is none.
    pub body: Value,
    /// The repository that the path names (0 when it names none).
    pub repo: u64,
    /// The installation token in use, if any.
    pub token: Option<String>,
    /// The App's bot.
    pub actor: Actor,
    /// Path with the query, for links to other pages.
    pub target: String,
    /// Whether the old token format was asked for.
    pub short_token: bool,
}

/// A successful answer.
pub(super) struct Answer {
    pub status: u16,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub fn new(status: u16, body: Value) -> Answer {
        Answer { status, body: Some(body), headers: Vec::new() }
    }

    pub fn ok(body: Value) -> Answer {
        Answer::new(200, body)
    }

    pub fn created(body: Value) -> Answer {
        Answer::new(201, body)
    }

    pub fn empty() -> Answer {
        Answer { status: 204, body: None, headers: Vec::new() }
    }
}

impl Call<'_> {
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// A numeric parameter; what is no number is not found.
    pub fn id(&self, name: &str) -> Result<u64, Refusal> {
        self.param(name).parse().map_err(|_| Refusal::not_found())
    }

    /// The issue or pull request that the path names.
    pub fn issue(&self) -> Result<u64, Refusal> {
        self.world.numbered(self.repo, self.id("issue_number")?)
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `since` of the query.
    pub fn since(&self) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.query("since") else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Refusal::invalid("Search", "since", "invalid"))
    }

    /// A text of the body: `None` when it is absent or `null`.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match &self.body[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            other => Err(Refusal::wrong_type(name, other, "a string")),
        }
    }

    /// A text of the body that must be there.
    pub fn needed(&self, resource: &str, name: &str) -> Result<&str, Refusal> {
        self.text(name)?.ok_or_else(|| Refusal::invalid(resource, name, "missing_field"))
    }

    /// A whole number of the body that must be there.
    pub fn needed_id(&self, name: &str) -> Result<u64, Refusal> {
        self.body[name].as_u64().ok_or_else(|| Refusal::wrong_type(name, &self.body[name], "an integer"))
    }

    /// A flag of the body; absent is false.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match &self.body[name] {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            other => Err(Refusal::wrong_type(name, other, "a boolean")),
        }
    }

    /// A list of names: texts, or objects with a `name`.
    pub fn names(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        match &self.body[name] {
            Value::Null => Ok(None),
            list => names(name, list).map(Some),
        }
    }
}

/// Reads a list of names: texts, or objects with a `name`.
pub(super) fn names(property: &str, list: &Value) -> Result<Vec<String>, Refusal> {
    let items = list.as_array().ok_or_else(|| Refusal::wrong_type(property, list, "an array"))?;
    items
        .iter()
        .map(|item| {
            let name = item.as_str().or_else(|| item["name"].as_str());
            name.map(str::to_owned).ok_or_else(|| Refusal::wrong_type(property, item, "a string"))
        })
        .collect()
}
