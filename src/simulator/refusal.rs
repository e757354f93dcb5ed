//! Why GitHub says no: one type for the verbs of the world and for the answers over HTTP.

use serde_json::{Map, Value, json};

/// A refusal as GitHub words it: status, message and the list of errors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{status}: {message} {}", Value::Array(errors.clone()))]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// GitHub's `message`.
    pub message: String,
    /// GitHub's `errors`; empty when it sends none.
    pub errors: Vec<Value>,
}

/// Largest title of an issue or pull request, in characters.
pub(super) const TITLE_LIMIT: usize = 256;
/// Largest body of an issue, pull request or comment, in characters.
pub(super) const BODY_LIMIT: usize = 65_536;
/// Longest name of a label, in characters.
pub(super) const LABEL_LIMIT: usize = 50;

impl Refusal {
    /// A refusal without a list of errors.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), errors: Vec::new() }
    }

    /// `404 Not Found`.
    pub(super) fn not_found() -> Refusal {
        Refusal::new(404, "Not Found")
    }

    /// What everybody with a token of a suspended installation is told.
    pub(super) fn suspended() -> Refusal {
        Refusal::new(403, "This installation has been suspended")
    }

    /// `422 Validation Failed` with one coded error.
    pub(super) fn invalid(resource: &str, field: &str, code: &str) -> Refusal {
        Refusal::new(422, "Validation Failed")
            .with(json!({"resource": resource, "field": field, "code": code}))
    }

    /// `422 Validation Failed` with one error in words.
    pub(super) fn custom(resource: &str, field: Option<&str>, message: impl Into<String>) -> Refusal {
        let mut error = Map::new();
        error.insert("resource".into(), resource.into());
        error.insert("code".into(), "custom".into());
        if let Some(field) = field {
            error.insert("field".into(), field.into());
        }
        error.insert("message".into(), message.into().into());
        Refusal::new(422, "Validation Failed").with(Value::Object(error))
    }

    /// `422 Invalid request.`: a property has the wrong JSON type.
    pub(super) fn wrong_type(property: &str, found: &Value, wanted: &str) -> Refusal {
        let found = if found.is_null() { "nil".to_owned() } else { found.to_string() };
        Refusal::new(
            422,
            format!("Invalid request.\n\nFor 'properties/{property}', {found} is not {wanted}."),
        )
    }

    fn with(mut self, error: Value) -> Refusal {
        self.errors.push(error);
        self
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.to_string(),
        });
        if !self.errors.is_empty() {
            body["errors"] = Value::Array(self.errors.clone());
        }
        body
    }
}

/// Checks a title (present, not blank, at most 256 characters).
pub(super) fn check_title(resource: &str, title: &str) -> Result<(), Refusal> {
    if title.trim().is_empty() {
        return Err(Refusal::invalid(resource, "title", "missing_field"));
    }
    at_most(resource, "title", title, TITLE_LIMIT)
}

/// Checks a body (at most 65,536 characters).
pub(super) fn check_body(resource: &str, body: &str) -> Result<(), Refusal> {
    at_most(resource, "body", body, BODY_LIMIT)
}

/// Checks a label's name (present, at most 50 characters).
pub(super) fn check_label(name: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::invalid("Label", "name", "missing_field"));
    }
    at_most("Label", "name", name, LABEL_LIMIT)
}

fn at_most(resource: &str, field: &str, text: &str, limit: usize) -> Result<(), Refusal> {
    if text.chars().count() > limit {
        return Err(Refusal::custom(
            resource,
            Some(field),
            format!("{field} is too long (maximum is {limit} characters)"),
        ));
    }
    Ok(())
}
