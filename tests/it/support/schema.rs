//! Holds every exchange with the simulated GitHub, and every webhook that it emits, against GitHub's own description
//! (`tests/fixtures/github`): unknown paths, methods and query names, requests and answers of the wrong shape.
//!
//! Give [`SchemaGuard::observer`] to the simulator and keep the guard in the test: it panics at the end of the test
//! when there were violations.

use divisi::simulator::{Exchange, Observer};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

static API: LazyLock<Description> =
    LazyLock::new(|| Description::load(include_str!("../../fixtures/github/github-openapi-subset.json")));
static WEBHOOKS: LazyLock<Description> =
    LazyLock::new(|| Description::load(include_str!("../../fixtures/github/github-webhooks-subset.json")));

/// Collects violations; panics with the list when it is dropped.
pub struct SchemaGuard {
    found: Arc<Violations>,
}

/// The observer behind a guard.
#[derive(Default)]
struct Violations(Mutex<Vec<String>>);

impl SchemaGuard {
    pub fn new() -> SchemaGuard {
        SchemaGuard { found: Arc::default() }
    }

    /// What the simulator is started with.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.found) as Arc<dyn Observer>
    }

    /// Takes what was found so far; for tests that send bad requests on purpose.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.found.list())
    }
}

impl Drop for SchemaGuard {
    fn drop(&mut self) {
        let found = self.take();
        if !found.is_empty() && !std::thread::panicking() {
            panic!("{} violations of GitHub's description:\n{}", found.len(), found.join("\n"));
        }
    }
}

impl Violations {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Violations {
    fn exchange(&self, exchange: &Exchange) {
        let found = API.check_exchange(exchange);
        self.list().extend(found);
    }

    fn webhook(&self, event: &str, payload: &Value) {
        let found = WEBHOOKS.check_webhook(event, payload);
        self.list().extend(found);
    }
}

/// Checks one published or own payload; gives what does not fit.
pub fn check_webhook(event: &str, payload: &Value) -> Vec<String> {
    WEBHOOKS.check_webhook(event, payload)
}

/// A description, converted to JSON Schema 2020-12, with its compiled schemas.
struct Description {
    document: Value,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Description {
    fn load(text: &str) -> Description {
        let mut document: Value = serde_json::from_str(text).expect("the description is JSON");
        convert(&mut document, false);
        Description { document, compiled: Mutex::default() }
    }

    fn check_webhook(&self, event: &str, payload: &Value) -> Vec<String> {
        let name = match payload["action"].as_str() {
            Some(action) => format!("{event}-{action}"),
            None => event.to_owned(),
        };
        let key = name.replace('_', "-");
        match self.document["events"].get(&key) {
            Some(schema) => self.check(&format!("webhook {name}"), schema, payload),
            None => vec![format!("webhook {name}: not in the description")],
        }
    }

    fn check_exchange(&self, exchange: &Exchange) -> Vec<String> {
        let name = format!("{} {}", exchange.method, exchange.path);
        let Some((template, item)) = self.path_item(&exchange.path) else {
            return vec![format!("{name}: this path is not in the description")];
        };
        let Some(operation) = item.get(exchange.method.to_lowercase()) else {
            return vec![format!("{name}: {template} has no such method")];
        };
        let mut found = self.check_query(&name, item, operation, &exchange.query);
        found.extend(self.check_request(&name, operation, &exchange.request_body));
        if !exchange.injected {
            found.extend(self.check_answer(&name, operation, exchange));
        }
        found
    }

    /// The path of the description that fits best: the one with most fixed words.
    fn path_item(&self, path: &str) -> Option<(&str, &Value)> {
        // Where GitHub's redirects lead after a renaming; its description does not list the address. The answer is that
        // of the repository.
        let path = if path.starts_with("/repositories/") { "/repos/owner/name" } else { path };
        // A slash at the end is kept: it is the empty path of `contents/{path}`, the root directory.
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let paths = self.document["paths"].as_object()?;
        let fits = paths.iter().filter_map(|(template, item)| {
            Some((fixed_words(template, &segments)?, template.as_str(), item))
        });
        fits.max_by_key(|(fixed, ..)| *fixed).map(|(_, template, item)| (template, item))
    }

    fn check_query(&self, name: &str, item: &Value, operation: &Value, query: &str) -> Vec<String> {
        let lists = [&item["parameters"], &operation["parameters"]];
        let known: BTreeSet<&str> = lists
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .map(|p| self.resolve(p))
            .filter(|p| p["in"] == "query")
            .filter_map(|p| p["name"].as_str())
            .collect();
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .filter_map(|pair| pair.split('=').next())
            .filter(|word| !known.contains(word))
            .map(|word| format!("{name}: no query parameter {word}"))
            .collect()
    }

    fn check_request(&self, name: &str, operation: &Value, body: &[u8]) -> Vec<String> {
        let described = self.resolve(&operation["requestBody"]);
        let schema = &described["content"]["application/json"]["schema"];
        if body.is_empty() {
            let missing = described["required"] == true;
            return missing.then(|| format!("{name}: the request has no body")).into_iter().collect();
        }
        let Ok(sent) = serde_json::from_slice::<Value>(body) else {
            return vec![format!("{name}: the request is not JSON")];
        };
        if schema.is_null() {
            let empty = sent.is_null() || sent == json!({});
            return (!empty).then(|| format!("{name}: takes no body, got {sent}")).into_iter().collect();
        }
        self.check(&format!("{name}: request"), schema, &sent)
    }

    fn check_answer(&self, name: &str, operation: &Value, exchange: &Exchange) -> Vec<String> {
        let (status, body) = (exchange.status, &exchange.response_body);
        let name = format!("{name}: answer {status}");
        let described = self.resolve(&operation["responses"][status.to_string()]);
        let schema = &described["content"]["application/json"]["schema"];
        if !schema.is_null() && !matches!(status, 301 | 304 | 307) {
            return match serde_json::from_slice::<Value>(body) {
                Ok(answered) => self.check(&name, schema, &answered),
                Err(_) => vec![format!("{name} is not JSON")],
            };
        }
        match status {
            // Not described for every operation, but GitHub may answer them anywhere.
            304 => Vec::new(),
            301 | 307 | 400..600 => {
                let error: Value = serde_json::from_slice(body).unwrap_or_default();
                let worded = error["message"].is_string() && error["documentation_url"].is_string();
                (!worded).then(|| format!("{name} has no message: {error}")).into_iter().collect()
            }
            _ if described.is_null() => vec![format!("{name} is not in the description")],
            _ if body.is_empty() => Vec::new(),
            _ => vec![format!("{name} has a body, which is not in the description")],
        }
    }

    /// Follows a reference within the document.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let mut value = value;
        while let Some(pointer) = value["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
            value = self.document.pointer(pointer).unwrap_or(&Value::Null);
        }
        value
    }

    fn check(&self, name: &str, schema: &Value, instance: &Value) -> Vec<String> {
        let validator = self.compiled(schema);
        validator
            .iter_errors(instance)
            .take(4)
            .map(|error| {
                let text: String = error.to_string().chars().take(300).collect();
                format!("{name}: at {:?}: {text}", error.instance_path().to_string())
            })
            .collect()
    }

    fn compiled(&self, schema: &Value) -> Arc<Validator> {
        let key = schema.to_string();
        let cached = |map: &HashMap<String, Arc<Validator>>| map.get(&key).cloned();
        if let Some(validator) = cached(&self.compiled.lock().unwrap_or_else(PoisonError::into_inner)) {
            return validator;
        }
        let mut needed = BTreeSet::new();
        self.collect(schema, &mut needed);
        let schemas: Map<String, Value> = needed
            .iter()
            .map(|name| (name.clone(), self.document["components"]["schemas"][name].clone()))
            .collect();
        let whole = json!({"allOf": [schema], "components": {"schemas": schemas}});
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .build(&whole)
            .unwrap_or_else(|error| panic!("a schema of the description does not compile: {error}"));
        let validator = Arc::new(validator);
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&validator));
        validator
    }

    /// Names of the component schemas that a schema needs, and those need in turn.
    fn collect(&self, value: &Value, needed: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                let name = object.get("$ref").and_then(Value::as_str);
                if let Some(name) = name.and_then(|r| r.strip_prefix("#/components/schemas/"))
                    && needed.insert(name.to_owned())
                {
                    self.collect(&self.document["components"]["schemas"][name], needed);
                }
                object.values().for_each(|inner| self.collect(inner, needed));
            }
            Value::Array(items) => items.iter().for_each(|inner| self.collect(inner, needed)),
            _ => {}
        }
    }
}

/// How many words of a template stand as they are in the path; `None` when it does not fit.
fn fixed_words(template: &str, segments: &[&str]) -> Option<usize> {
    const MANY_SEGMENTS: [&str; 4] = ["{path}", "{ref}", "{basehead}", "{branch}"];
    let parts: Vec<&str> = template.trim_matches('/').split('/').collect();
    let spare = segments.len().checked_sub(parts.len())?;
    let (mut at, mut fixed, mut spent) = (0, 0, 0);
    for part in parts {
        if MANY_SEGMENTS.contains(&part) {
            at += 1 + spare;
            spent = spare;
        } else if part.starts_with('{') {
            at += 1;
        } else {
            if segments.get(at) != Some(&part) {
                return None;
            }
            fixed += 1;
            at += 1;
        }
    }
    (spent == spare && at == segments.len()).then_some(fixed)
}

/// OpenAPI 3.0 to JSON Schema 2020-12: `nullable` becomes a type. A property that is *named* `nullable` or `type` is
/// left alone (`in_properties`).
fn convert(value: &mut Value, in_properties: bool) {
    match value {
        Value::Object(object) => {
            if !in_properties && object.get("nullable") == Some(&Value::Bool(true)) {
                object.remove("nullable");
                if let Some(Value::String(kind)) = object.get("type").cloned() {
                    object.insert("type".into(), json!([kind, "null"]));
                    if let Some(Value::Array(members)) = object.get_mut("enum")
                        && !members.contains(&Value::Null)
                    {
                        members.push(Value::Null);
                    }
                } else {
                    let inner = Value::Object(std::mem::take(object));
                    object.insert("anyOf".into(), json!([inner, {"type": "null"}]));
                }
            }
            for (key, inner) in object.iter_mut() {
                convert(inner, key == "properties" && !in_properties);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| convert(inner, false)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(method: &str, path: &str, request: &str, status: u16, answer: &str) -> Exchange {
        Exchange {
            at: divisi::clock::now(),
            method: method.to_owned(),
            path: path.to_owned(),
            route: None,
            query: String::new(),
            request_headers: Vec::new(),
            request_body: request.as_bytes().to_vec(),
            status,
            response_headers: Vec::new(),
            response_body: answer.as_bytes().to_vec(),
            token: divisi::simulator::TokenKind::Installation,
            injected: false,
        }
    }

    #[test]
    fn wrong_requests_answers_and_paths_are_seen() {
        let not_found = r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}"#;
        let one = |e: Exchange| API.check_exchange(&e).join("\n");
        assert!(
            one(exchange("GET", "/repos/a/b/nothing", "", 404, not_found)).contains("not in the description")
        );
        assert!(one(exchange("DELETE", "/repos/a/b/issues", "", 404, not_found)).contains("no such method"));
        let bad = exchange("POST", "/repos/a/b/issues", r#"{"body":"no title"}"#, 404, not_found);
        assert!(one(bad).contains("title"));
        let bad =
            exchange("POST", "/repos/a/b/issues/1/sub_issues", r#"{"sub_issue_id":"7"}"#, 404, not_found);
        assert!(one(bad).contains("sub_issue_id"));
        let bad = exchange("GET", "/repos/a/b/issues/1", "", 200, r#"{"id":"notint"}"#);
        assert!(one(bad).contains("required"));
        assert_eq!(one(exchange("GET", "/repos/a/b/git/ref/heads/x/y", "", 404, not_found)), "");
        let mut asked = exchange("GET", "/repos/a/b/issues", "", 404, not_found);
        asked.query = "state=all&colour=red".to_owned();
        assert_eq!(one(asked), "GET /repos/a/b/issues: no query parameter colour");
    }

    #[test]
    fn a_property_named_nullable_or_type_survives_the_conversion() {
        let mut schema = json!({"properties": {"nullable": {"type": "string", "nullable": true},
                                               "type": {"type": "string"}}});
        convert(&mut schema, false);
        assert_eq!(
            schema,
            json!({"properties": {"nullable": {"type": ["string", "null"]},
                                                 "type": {"type": "string"}}})
        );
    }
}
