//! A scripted model: Anthropic's `/v1/messages` on loopback, as event stream and as JSON.
//!
//! A script belongs to a task by its title, which stands in a fence of its own in the prompt. The step is chosen by the number of model
//! turns that the request already holds, not by a state here: a repeated request gets the same step again, and a
//! resumed session goes on with the next.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What the model does on one task.
#[derive(Clone, Debug)]
pub struct Script {
    /// The task's title.
    pub title: &'static str,
    /// What it does.
    pub turns: Turns,
}

/// A model's behaviour.
#[derive(Clone, Debug)]
pub enum Turns {
    /// One tool call after the other, then a closing text.
    Work(Vec<Call>, &'static str),
    /// Every request is refused with this status.
    Refuse(u16),
}

/// A tool call. `{cwd}` in its input becomes the first line of the first tool's result: let that be `pwd`.
#[derive(Clone, Debug)]
pub struct Call {
    /// The tool.
    pub tool: &'static str,
    /// Its input.
    pub input: Value,
}

/// One request as the model saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The task's title; empty when no script knows it.
    pub title: String,
    /// What stood in `x-api-key`.
    pub key: String,
    /// How many turns of the model the request already holds.
    pub turns: usize,
    /// What was said to it last.
    pub last: String,
}

/// The running server.
pub struct ModelServer {
    /// What agents' upstream is set to.
    pub base_url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Model {
    scripts: Vec<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl ModelServer {
    /// Starts it on a free loopback port; it ends with the runtime.
    pub async fn start(scripts: Vec<Script>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let model = Arc::new(Model { scripts, seen: seen.clone() });
        let router = Router::new().fallback(answer).with_state(model);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, seen }
    }

    /// Every request for a message so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(model): State<Arc<Model>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if parts.method != Method::POST {
        return StatusCode::OK.into_response();
    }
    let body = body.collect().await.unwrap().to_bytes();
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return refuse(400);
    };
    if path.ends_with("/count_tokens") {
        return Json(json!({"input_tokens": 10})).into_response();
    }
    let conversation = Conversation::read(&body);
    let script = model.scripts.iter().find(|s| conversation.is_about(s.title));
    let key = parts.headers.get("x-api-key").and_then(|v| v.to_str().ok()).unwrap_or_default();
    model.seen.lock().unwrap().push(Seen {
        title: script.map_or("", |s| s.title).to_owned(),
        key: key.to_owned(),
        turns: conversation.turns,
        last: conversation.last.clone(),
    });
    let Some(script) = script else { return refuse(400) };
    let content = match &script.turns {
        Turns::Refuse(status) => return refuse(*status),
        Turns::Work(calls, closing) => conversation.next(calls, closing),
    };
    let stop = if content["type"] == "tool_use" { "tool_use" } else { "end_turn" };
    let stream = body["stream"] == true;
    // Claude Code takes messages of one id for parts of one turn.
    let id = format!("msg_{}", conversation.turns);
    let message = Message { id: &id, model: &body["model"], stop };
    if stream { message.events(&content) } else { message.whole(&content) }
}

/// What a request holds.
struct Conversation {
    /// All text of the first message: the prompt.
    prompt: String,
    turns: usize,
    last: String,
    results: Vec<String>,
}

impl Conversation {
    fn read(body: &Value) -> Self {
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        let users = || messages.iter().filter(|m| m["role"] == "user");
        let results = users()
            .flat_map(|m| m["content"].as_array().cloned().unwrap_or_default())
            .filter(|block| block["type"] == "tool_result")
            .map(|block| text_of(&block["content"]))
            .collect();
        Self {
            prompt: users().next().map(|m| text_of(&m["content"])).unwrap_or_default(),
            last: users().next_back().map(|m| text_of(&m["content"])).unwrap_or_default(),
            turns: messages.iter().filter(|m| m["role"] == "assistant").count(),
            results,
        }
    }

    fn is_about(&self, title: &str) -> bool {
        self.prompt.contains(&format!("Title:\n\n```text\n{title}\n```"))
    }

    /// The one block of the next turn.
    fn next(&self, calls: &[Call], closing: &str) -> Value {
        let Some(call) = calls.get(self.turns) else { return json!({"type": "text", "text": closing}) };
        let cwd = self.results.first().and_then(|r| r.lines().next()).unwrap_or_default();
        let input = call.input.to_string().replace("{cwd}", cwd);
        let input: Value = serde_json::from_str(&input).unwrap();
        json!({"type": "tool_use", "id": format!("toolu_{}", self.turns), "name": call.tool, "input": input})
    }
}

/// A message's content as text: a string, or blocks.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            blocks.iter().filter_map(|b| b["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn refuse(status: u16) -> Response {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        _ => "invalid_request_error",
    };
    let error = json!({"type": "error", "error": {"type": kind, "message": "refused by the script"}});
    (StatusCode::from_u16(status).unwrap(), Json(error)).into_response()
}

/// One turn of the model, without its content.
struct Message<'a> {
    id: &'a str,
    model: &'a Value,
    stop: &'a str,
}

impl Message<'_> {
    fn json(&self, content: &[Value], stop: Option<&str>) -> Value {
        json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": stop, "stop_sequence": null, "usage": {"input_tokens": 100, "output_tokens": 20},
        })
    }

    fn whole(&self, content: &Value) -> Response {
        Json(self.json(std::slice::from_ref(content), Some(self.stop))).into_response()
    }

    fn events(&self, content: &Value) -> Response {
        let (start, delta) = if content["type"] == "text" {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": content["text"]}))
        } else {
            let mut start = content.clone();
            start["input"] = json!({});
            let json = content["input"].to_string();
            (start, json!({"type": "input_json_delta", "partial_json": json}))
        };
        let delta_of_stop = json!({"stop_reason": self.stop, "stop_sequence": null});
        let events = [
            json!({"type": "message_start", "message": self.json(&[], None)}),
            json!({"type": "content_block_start", "index": 0, "content_block": start}),
            json!({"type": "content_block_delta", "index": 0, "delta": delta}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": delta_of_stop, "usage": {"output_tokens": 20}}),
            json!({"type": "message_stop"}),
        ];
        let text: String = events
            .iter()
            .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
            .collect();
        ([("content-type", "text/event-stream")], text).into_response()
    }
}
