//! Claude Code: its flags, its environment, its stream of JSON lines, and how its end is judged.
//!
//! Flags and figures were measured with 2.1.197. `--setting-sources user --strict-mcp-config` is what keeps the
//! repository's own settings from running hooks, starting MCP servers or moving the model's base URL.

use super::outcome::{Exit, Outcome};
use super::{AgentEvent, FinalWord, Invocation, Job, Seen, job, one_line};
use crate::domain::FailureKind as K;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// How long one call of the model may take before the agent tries again. Without a limit a dead connection costs 298 s.
const API_TIMEOUT: Duration = Duration::from_secs(180);
/// Tries after the first; ten by default, which took three minutes to give up on a server error.
const API_RETRIES: u32 = 3;
/// The longest that one shell command of the agent may run.
const SHELL_LIMIT: Duration = Duration::from_secs(600);
/// The default for one shell command.
const SHELL_DEFAULT: Duration = Duration::from_secs(120);

/// Silence that means nothing: a shell command that prints nothing while it runs, or a model that thinks
/// (its pings are not passed on). Longer than either, and longer than the 298 s after which the agent itself
/// gives up on a stream that stands still.
const STALL: Duration = Duration::from_secs(SHELL_LIMIT.as_secs() + 60);

/// Headless, all tools allowed (the walls are ours), one JSON object a line, the session id fixed before the start.
/// The prompt goes to standard input: as an argument it could not exceed 128 KiB, and an open silent input costs 3 s.
pub(super) fn invocation(job: &Job) -> Invocation {
    let (program, mut args) = job.program("claude");
    let flags = [
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--permission-mode",
        "bypassPermissions",
        "--setting-sources",
        "user",
        "--strict-mcp-config",
        if job.resume { "--resume" } else { "--session-id" },
        &job.session,
    ];
    args.extend(flags.map(str::to_owned));
    if !job.model.is_empty() {
        // One word, so that a model's name can never be read as a flag.
        args.push(format!("--model={}", job.model));
    }
    if let Some(left) = job.budget_usd {
        // Looked at after each turn, so the last turn may go beyond it; zero would be taken for no limit.
        args.push(format!("--max-budget-usd={:.2}", left.max(0.01)));
    }
    // The operator may move the limits; nobody but us says where the model is.
    let mut env = job::env(&[
        ("API_TIMEOUT_MS", &API_TIMEOUT.as_millis().to_string()),
        ("BASH_DEFAULT_TIMEOUT_MS", &SHELL_DEFAULT.as_millis().to_string()),
        ("BASH_MAX_TIMEOUT_MS", &SHELL_LIMIT.as_millis().to_string()),
        ("CLAUDE_CODE_MAX_RETRIES", &API_RETRIES.to_string()),
    ]);
    env.extend(job.basic_env());
    env.extend(job::env(&[
        ("CLAUDE_CODE_DISABLE_AUTO_MEMORY", "1"),
        // Without it the agent calls api.anthropic.com itself, whatever its base URL is.
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
        ("DISABLE_TELEMETRY", "1"),
        // As root it refuses to work without questions unless it is told that it sits in a sandbox.
        ("IS_SANDBOX", "1"),
    ]));
    if let Some(access) = &job.model_access {
        env.extend(job::env(&[
            ("ANTHROPIC_API_KEY", &access.dummy_key),
            ("ANTHROPIC_BASE_URL", &access.base_url),
        ]));
    }
    Invocation { program, args, env, stdin: job.prompt.clone().into_bytes(), stall: Some(STALL) }
}

/// Whether a resumed process ended because there is no such session: the one before died before it wrote anything.
pub(super) fn session_is_gone(seen: &Seen) -> bool {
    let gone = |error: &String| error.contains("No conversation found");
    seen.tool_uses == 0 && seen.last_word.as_ref().is_some_and(|word| word.errors.iter().any(gone))
}

/// One line of the stream. Every field may be missing: what cannot be read says nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    session_id: String,
    model: String,
    // assistant
    message: Message,
    parent_tool_use_id: Option<String>,
    // system/api_retry
    attempt: u32,
    error_status: Option<u16>,
    // result
    is_error: bool,
    api_error_status: Option<u16>,
    result: String,
    total_cost_usd: f64,
    usage: Usage,
    permission_denials: Vec<Denial>,
    errors: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Denial {
    tool_name: String,
}

/// Reads one line. Usage is taken from `result` alone: what `assistant` events show is a start value.
pub(super) fn read_line(line: &[u8]) -> Vec<AgentEvent> {
    let Ok(line) = serde_json::from_slice::<Line>(line) else { return Vec::new() };
    match (line.kind.as_str(), line.subtype.as_deref()) {
        ("system", Some("init")) => vec![AgentEvent::Started { session: line.session_id, model: line.model }],
        ("system", Some("api_retry")) => {
            vec![AgentEvent::Retry { status: line.error_status, attempt: line.attempt }]
        }
        ("assistant", _) => blocks(&line),
        ("result", _) => finish(line),
        _ => Vec::new(),
    }
}

/// What the model said and did. Text of a sub-agent (it has a parent) is nobody's last word.
fn blocks(line: &Line) -> Vec<AgentEvent> {
    let blocks = line.message.content.as_array().map(Vec::as_slice).unwrap_or_default();
    let event = |block: &Value| match block["type"].as_str()? {
        "text" if line.parent_tool_use_id.is_none() => {
            Some(AgentEvent::Text(block["text"].as_str()?.to_owned()))
        }
        "tool_use" => Some(AgentEvent::Activity {
            tool: one_line(block["name"].as_str().unwrap_or_default(), 60),
            on: target(&block["input"]),
        }),
        _ => None,
    };
    blocks.iter().filter_map(event).collect()
}

/// What a tool is used on, for people: the first of the usual inputs.
fn target(input: &Value) -> String {
    ["file_path", "command", "pattern", "description", "path", "url", "query"]
        .iter()
        .find_map(|key| input[key].as_str())
        .map(|text| one_line(text, 200))
        .unwrap_or_default()
}

fn finish(line: Line) -> Vec<AgentEvent> {
    let used = &line.usage;
    let tokens = [
        used.input_tokens,
        used.output_tokens,
        used.cache_creation_input_tokens,
        used.cache_read_input_tokens,
    ];
    let usage = AgentEvent::Usage {
        tokens: tokens.into_iter().fold(0, u64::saturating_add),
        cost_usd: if line.total_cost_usd.is_finite() { line.total_cost_usd.max(0.0) } else { 0.0 },
    };
    let mut denied: Vec<String> =
        line.permission_denials.iter().map(|d| one_line(&d.tool_name, 60)).collect();
    denied.sort();
    denied.dedup();
    denied.truncate(20);
    let word = FinalWord {
        is_error: line.is_error,
        subtype: line.subtype.unwrap_or_default(),
        api_status: line.api_error_status,
        text: line.result,
        denied,
        errors: line.errors,
    };
    vec![usage, AgentEvent::Final(word)]
}

/// Judges a process that ended by itself. `subtype` says "success" for every failure of the API: `is_error` and the
/// status are what counts; and exit code 0 without a last word is what an interrupted session leaves.
pub(super) fn judge(exit: &Exit, seen: &Seen) -> Outcome {
    let Some(word) = &seen.last_word else {
        let how = match exit {
            Exit::Code(code) => format!("with exit code {code}"),
            Exit::Signal(n) => format!("by signal {n}"),
            Exit::NotStarted(why) => format!("before it began: {why}"),
        };
        return Outcome::retry(K::AgentError, format!("Claude Code ended {how} and without a result."));
    };
    let said = one_line(&word.text, 300);
    let listed = one_line(&word.errors.join("; "), 300);
    match word.subtype.as_str() {
        "error_max_turns" => {
            return Outcome::retry(K::AgentError, format!("Claude Code ran out of turns: {listed}"));
        }
        "error_max_budget_usd" => {
            return Outcome::give_up(K::BudgetExceeded, format!("Claude Code's budget is used up: {listed}"));
        }
        "success" => {}
        other => {
            let other = one_line(other, 60);
            return Outcome::retry(K::AgentError, format!("Claude Code failed ({other}): {listed}"));
        }
    }
    if word.is_error {
        return match word.api_status {
            Some(429) => Outcome::retry(K::ProviderLimit, format!("The model's API answered 429: {said}")),
            // The key or the model is wrong: the same for every task until somebody changes the configuration.
            Some(status @ (401 | 403 | 404)) => {
                Outcome::give_up(K::ApiError, format!("The model's API answered {status}: {said}"))
            }
            Some(status) => Outcome::retry(K::ApiError, format!("The model's API answered {status}: {said}")),
            None if said.starts_with("Not logged in") => {
                Outcome::give_up(K::ApiError, format!("Claude Code has no key: {said}"))
            }
            None => Outcome::retry(K::ApiError, format!("The model's API gave no usable answer: {said}")),
        };
    }
    match exit {
        Exit::Code(0) => Outcome::Ok,
        Exit::Code(code) => Outcome::retry(
            K::AgentError,
            format!("Claude Code reported success and ended with exit code {code}: {said}"),
        ),
        Exit::Signal(n) => Outcome::retry(K::AgentError, format!("Claude Code was killed by signal {n}.")),
        Exit::NotStarted(why) => {
            Outcome::give_up(K::AgentError, format!("Claude Code could not be started: {why}."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgentKind, Ending, job::tests::job, judge_facts};
    use super::*;
    use crate::agents::GitFacts;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/agents/claude");

    /// What the recorded stream says.
    #[track_caller]
    fn recorded(name: &str) -> Seen {
        let text = std::fs::read_to_string(format!("{FIXTURES}/{name}.jsonl")).unwrap();
        let mut seen = Seen::default();
        for line in text.lines() {
            for event in AgentKind::Claude.read_line(line.as_bytes()) {
                seen.take(&event);
            }
        }
        seen
    }

    /// Judges the recorded stream with this exit; the facts count when the end was fine.
    #[track_caller]
    fn check(name: &str, exit: Exit, facts: GitFacts, want: Option<(K, bool, &str)>) {
        let seen = recorded(name);
        let mut outcome = AgentKind::Claude.judge_end(&Ending { exit, stop: None }, &seen);
        if outcome == Outcome::Ok {
            outcome = judge_facts(&facts, &seen);
        }
        match (outcome, want) {
            (Outcome::Ok, None) => {}
            (Outcome::Failed { kind, message, again }, Some((want_kind, want_again, part))) => {
                assert_eq!((kind, again), (want_kind, want_again), "{name}: {message}");
                assert!(message.contains(part), "{name}: {message}");
            }
            (outcome, want) => panic!("{name}: {outcome:?}, expected {want:?}"),
        }
    }

    #[test]
    fn every_recorded_outcome_is_told_apart() {
        let one = || GitFacts { commits: 1, paths: 1 };
        let none = GitFacts::default;
        check("success", Exit::Code(0), one(), None);
        // It says that it committed; nothing is there.
        check("success", Exit::Code(0), none(), Some((K::NoChanges, true, "without a commit")));
        check("success", Exit::Code(1), one(), Some((K::AgentError, true, "exit code 1")));
        check("success", Exit::Signal(9), one(), Some((K::AgentError, true, "signal 9")));
        check("denied", Exit::Code(0), none(), Some((K::NoChanges, true, "not allowed to use: Bash, Write")));
        check("api_400", Exit::Code(1), one(), Some((K::ApiError, true, "answered 400: API Error")));
        check(
            "api_401",
            Exit::Code(1),
            one(),
            Some((K::ApiError, false, "answered 401: Failed to authenticate")),
        );
        check("api_403", Exit::Code(1), one(), Some((K::ApiError, false, "answered 403")));
        check("api_404", Exit::Code(1), one(), Some((K::ApiError, false, "issue with the selected model")));
        check("api_413", Exit::Code(1), one(), Some((K::ApiError, true, "Request too large")));
        check("api_429", Exit::Code(1), one(), Some((K::ProviderLimit, true, "answered 429")));
        check("api_500", Exit::Code(1), one(), Some((K::ApiError, true, "answered 500")));
        check("api_529", Exit::Code(1), one(), Some((K::ApiError, true, "answered 529")));
        check("connection_refused", Exit::Code(1), one(), Some((K::ApiError, true, "Unable to connect")));
        check("no_answer", Exit::Code(1), one(), Some((K::ApiError, true, "Request timed out")));
        check("not_logged_in", Exit::Code(1), one(), Some((K::ApiError, false, "has no key")));
        check("max_turns", Exit::Code(1), one(), Some((K::AgentError, true, "maximum number of turns")));
        check("max_budget", Exit::Code(1), one(), Some((K::BudgetExceeded, false, "maximum budget")));
    }

    #[test]
    fn an_end_without_a_result_is_a_failure_even_with_exit_code_0() {
        for (exit, words) in [
            (Exit::Code(0), "exit code 0"),
            (Exit::Code(143), "exit code 143"),
            (Exit::Code(1), "exit code 1"),
            (Exit::Signal(9), "signal 9"),
        ] {
            let ending = Ending { exit, stop: None };
            let outcome = AgentKind::Claude.judge_end(&ending, &Seen::default());
            let Outcome::Failed { kind: K::AgentError, message, again: true } = outcome else {
                panic!("{outcome:?}")
            };
            assert!(message.contains(words) && message.contains("without a result"), "{message}");
        }
    }

    #[test]
    fn the_stream_tells_tools_texts_tokens_and_cost() {
        let seen = recorded("success");
        assert!(seen.started);
        assert_eq!(seen.tool_uses, 3);
        assert_eq!(seen.said(), "Added hello.txt and committed it.");
        assert_eq!(seen.tokens, 480);
        assert!((seen.cost_usd - 0.004).abs() < 1e-9);
        let line = br#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash","input":{"command":"ls\n-l"}}]}}"#;
        assert_eq!(read_line(line), [AgentEvent::Activity { tool: "Bash".into(), on: "ls -l".into() }]);
    }

    #[test]
    fn retries_are_seen_and_forgotten_when_the_model_answers() {
        let retry =
            br#"{"type":"system","subtype":"api_retry","attempt":2,"error_status":529,"error":"overloaded"}"#;
        assert_eq!(read_line(retry), [AgentEvent::Retry { status: Some(529), attempt: 2 }]);
        let mut seen = Seen::default();
        read_line(retry).iter().for_each(|e| seen.take(e));
        assert_eq!(seen.waiting_for_model, Some(Some(529)));
        seen.take(&AgentEvent::Text("Here I am.".into()));
        assert_eq!(seen.waiting_for_model, None);
    }

    #[test]
    fn the_result_need_not_be_the_last_line() {
        let mut seen = recorded("success");
        let late = br#"{"type":"system","subtype":"task_notification","task_id":"x","status":"completed"}"#;
        read_line(late).iter().for_each(|e| seen.take(e));
        let ending = Ending { exit: Exit::Code(0), stop: None };
        assert_eq!(AgentKind::Claude.judge_end(&ending, &seen), Outcome::Ok);
    }

    #[test]
    fn lines_that_are_no_events_say_nothing() {
        for line in [
            &b""[..],
            b"not json",
            b"[1]",
            b"{}",
            b"\xff\xfe",
            br#"{"type":"new_thing","is_error":true}"#,
            br#"{"type":"result","total_cost_usd":"much"}"#,
            br#"{"type":"assistant","message":{"content":"text"}}"#,
            br#"{"type":"assistant","message":{"content":[null,{"type":"tool_result"}]}}"#,
        ] {
            assert_eq!(read_line(line), [], "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn the_call_and_its_environment_are_the_golden_list() {
        let mut job = job();
        job.model = "--help".to_owned();
        let call = AgentKind::Claude.invocation(&job);
        assert_eq!(call.program, "claude");
        assert_eq!(
            call.args.join(" "),
            "-p --output-format stream-json --verbose --permission-mode bypassPermissions --setting-sources user \
             --strict-mcp-config --session-id 6a1c1a34-5b2e-4c57-9d4c-0f6d7c1f1e11 --model=--help"
        );
        assert_eq!(call.stdin, b"Do it.");
        let env: Vec<String> = call.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            env,
            [
                "AGENT_ID=agent-3",
                "ANTHROPIC_API_KEY=dummy",
                "ANTHROPIC_BASE_URL=http://127.0.0.1:4000/5ec",
                "API_TIMEOUT_MS=180000",
                "BASH_DEFAULT_TIMEOUT_MS=120000",
                "BASH_MAX_TIMEOUT_MS=600000",
                "BRANCH_NAME=divisi/12/3-add-tests",
                "CLAUDE_CODE_DISABLE_AUTO_MEMORY=1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
                "CLAUDE_CODE_MAX_RETRIES=3",
                "DISABLE_AUTOUPDATER=1",
                "DISABLE_ERROR_REPORTING=1",
                "DISABLE_TELEMETRY=1",
                "HOME=/d/a/home",
                "IS_SANDBOX=1",
                "LANG=C.UTF-8",
                "MASTER_ISSUE=12",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "STATUS_FILE=/d/a/status/status.json",
                "SUB_ISSUE=15",
                "TIMEOUT=1800",
                "TMPDIR=/d/a/tmp",
                "WORKING_DIR=/d/a/work",
            ]
        );
    }

    #[test]
    fn the_operator_moves_limits_but_not_the_model() {
        let mut job = job();
        job.extra_env = job::env(&[
            ("API_TIMEOUT_MS", "5000"),
            ("ANTHROPIC_BASE_URL", "https://elsewhere.example"),
            ("DISABLE_TELEMETRY", "0"),
        ]);
        job.command = vec!["/opt/claude".to_owned(), "--debug".to_owned()];
        let call = AgentKind::Claude.invocation(&job);
        assert_eq!(call.program, "/opt/claude");
        assert_eq!(call.args[..2], ["--debug", "-p"]);
        assert_eq!(call.env["API_TIMEOUT_MS"], "5000");
        assert_eq!(call.env["ANTHROPIC_BASE_URL"], "http://127.0.0.1:4000/5ec");
        assert_eq!(call.env["DISABLE_TELEMETRY"], "1");
    }
}
