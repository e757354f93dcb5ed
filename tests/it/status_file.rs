//! The files of section 7 of the contract: byte for byte on our side, without trust on the agent's.

use divisi::domain::{Failure, FailureKind, Run, Spent, Task, TaskState};
use divisi::status_file::{
    AgentStatus, Hint, HintError, RunMetrics, RunPaths, append_log, read_hint, write_json, write_text,
};
use jiff::Timestamp;
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A task as it is stored, so that a field that is added with a default needs no change here.
fn task(number: u32, state: TaskState) -> Task {
    serde_json::from_value(serde_json::json!({
        "number": number, "title": "Title", "details": "", "criteria": [], "paths": [], "size": "M",
        "state": state, "attempt": 1, "epoch": 1, "runner": null, "lease_until": null, "retries_used": 0,
        "losses": 0, "sub_issue": { "number": 123, "id": 9 }, "adopted": false, "pull_request": null,
        "follow_up": null, "branch": "divisi/12/1-title", "published": null, "failure": null,
        "agent": "claude", "started_at": "2025-12-01T12:00:00.987Z", "ended_at": null,
        "spent": { "tokens": 10, "cost_usd": 0.123456, "seconds": 12.0 }, "progress": {},
    }))
    .unwrap()
}

fn run() -> Run {
    serde_json::from_value(serde_json::json!({
        "id": "0123",
        "repo": { "id": 1, "owner": "octo", "name": "app", "installation": 5, "default_branch": "main" },
        "master": { "number": 12, "id": 8, "title": "Master" },
        "orchestration_id": "orch-12-20251201", "sequence": 1, "requester": "octocat", "context": "",
        "base": "main", "base_sha": "a".repeat(40), "policy": {}, "state": "active",
        "created_at": "2025-12-01T11:59:00Z", "active_since": "2025-12-01T11:59:00Z", "ended_at": null,
        "triggers": [], "round": 1, "deliveries": [],
        "usage": { "api_calls": 28, "max_concurrent": 2, "peak_memory_mb": 640, "active_seconds": 61.23456 },
        "sandbox_tier": "reduced",
    }))
    .unwrap()
}

#[test]
fn a_status_file_has_the_keys_of_the_contract_first_and_in_order() {
    let mut working = task(1, TaskState::Running);
    working.pull_request = Some(456);
    let text = serde_json::to_string(&AgentStatus::of(&working, at("2025-12-01T12:00:05.5Z"))).unwrap();
    let contract = concat!(
        r#"{"agent_id":"agent-1","sub_issue":123,"status":"in_progress","start_time":"2025-12-01T12:00:00Z","#,
        r#""pr_number":456,"completion_time":null,"error":null,"#
    );
    assert!(text.starts_with(contract), "{text}");
    let ours = concat!(
        r#""last_update":"2025-12-01T12:00:05Z","stage":"","progress":null,"branch":"divisi/12/1-title","#,
        r#""attempt":1,"cost_usd":0.1235,"note":""}"#
    );
    assert_eq!(&text[contract.len()..], ours);
}

#[test]
fn every_state_has_one_of_four_words_and_an_error_only_when_failed() {
    let words = |state, failure| {
        let mut task = task(1, state);
        task.ended_at = Some(at("2025-12-01T12:30:00Z"));
        task.failure = failure;
        let value = serde_json::to_value(AgentStatus::of(&task, at("2025-12-01T13:00:00Z"))).unwrap();
        (
            value["status"].as_str().unwrap().to_owned(),
            value["error"].clone(),
            value["completion_time"].clone(),
        )
    };
    let failure = || Some(Failure::new(FailureKind::TestFailure, "two tests\nfailed"));
    for (state, word) in [
        (TaskState::Planned, "pending"),
        (TaskState::Ready, "pending"),
        (TaskState::Running, "in_progress"),
        (TaskState::Publishing, "in_progress"),
        (TaskState::Completed, "completed"),
        (TaskState::InReview, "completed"),
        (TaskState::Failed, "failed"),
        (TaskState::Cancelled, "failed"),
        (TaskState::Blocked, "failed"),
    ] {
        let (status, error, ended) = words(state, failure());
        assert_eq!(status, word, "{state:?}");
        assert_eq!(error.is_string(), word == "failed", "{state:?}");
        assert_eq!(ended.is_string(), matches!(word, "failed" | "completed"), "{state:?}");
    }
    assert_eq!(words(TaskState::Failed, failure()).1, "test_failure: two tests failed");
    assert_eq!(words(TaskState::Blocked, None).1, "blocked: what it waits for failed");
}

#[test]
fn metrics_have_exactly_the_keys_of_the_contract() {
    let mut done = task(1, TaskState::Completed);
    done.pull_request = Some(456);
    let mut failed = task(2, TaskState::Failed);
    failed.follow_up = Some(460);
    let mut cancelled = task(3, TaskState::Cancelled);
    cancelled.attempt = 0;
    cancelled.spent = Spent::default();
    let text = serde_json::to_string(&RunMetrics::of(&run(), &[done, failed, cancelled])).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"orchestration_id":"orch-12-20251201","master_issue":12,"total_sub_tasks":3,"successful_agents":1,"#,
            r#""failed_agents":1,"total_duration_seconds":61,"avg_agent_duration_seconds":12,"prs_created":[456],"#,
            r#""follow_up_issues":[460],"resource_usage":{"max_concurrent_agents":2,"peak_memory_mb":640,"#,
            r#""total_api_calls":28},"cost_usd":0.2469,"tokens":20,"attempts":2,"sandbox_tier":"reduced"}"#
        )
    );
}

#[test]
fn files_are_replaced_as_a_whole_and_logs_grow() {
    let directory = tempfile::tempdir().unwrap();
    let paths = RunPaths::of(directory.path(), &run()).unwrap();
    let status = AgentStatus::of(&task(1, TaskState::Running), at("2025-12-01T12:00:00Z"));
    write_json(&paths.status(1), &status).unwrap();
    let first = fs::metadata(paths.status(1)).unwrap();
    assert_eq!(first.permissions().mode() & 0o777, 0o644);
    write_json(&paths.status(1), &status).unwrap();
    assert_ne!(fs::metadata(paths.status(1)).unwrap().ino(), first.ino(), "written in place");
    write_json(&paths.metrics(), &RunMetrics::of(&run(), &[])).unwrap();
    write_text(&paths.summary(), "## Parallel Orchestration Results\n").unwrap();
    append_log(&paths.agent_log(1), "first\n").unwrap();
    append_log(&paths.agent_log(1), "second\n").unwrap();
    assert_eq!(fs::read_to_string(paths.agent_log(1)).unwrap(), "first\nsecond\n");

    let parent = paths.status(1).parent().unwrap().to_owned();
    let mut names: Vec<_> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["agent-1.status.json", "metrics.json", "summary.md"], "something was left behind");
}

/// Runs the read in a thread of its own, so that a read that blocks fails the test and does not hang it.
fn hint(directory: &Path, name: &str) -> Result<Option<Hint>, HintError> {
    let (send, receive) = std::sync::mpsc::channel();
    let (directory, name) = (directory.to_owned(), name.to_owned());
    std::thread::spawn(move || send.send(read_hint(&directory, Path::new(&name))));
    receive.recv_timeout(Duration::from_secs(2)).expect("the read blocked")
}

#[test]
fn what_an_agent_says_is_taken_in_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    assert_eq!(hint(directory.path(), "none.json").unwrap(), None);

    fs::write(
        at("s.json"),
        r#"{"note":"half\u001b[31m done","progress":49.6,"stage":"tests","status":"completed"}"#,
    )
    .unwrap();
    assert_eq!(
        hint(directory.path(), "s.json").unwrap(),
        Some(Hint { note: Some("half [31m done".into()), progress: Some(50), stage: Some("tests".into()) })
    );

    let long = serde_json::json!({ "note": "x".repeat(5_000), "progress": 1e300, "stage": ["no text"] });
    fs::write(at("s.json"), long.to_string()).unwrap();
    let long = hint(directory.path(), "s.json").unwrap().unwrap();
    assert_eq!((long.note.unwrap().len(), long.progress, long.stage), (300, None, None));

    for text in ["", "{\"note\":", "[]", "null", "\u{0}", &"[".repeat(60_000)] {
        fs::write(at("s.json"), text).unwrap();
        assert!(matches!(hint(directory.path(), "s.json"), Err(HintError::NoObject)), "{text:.10}");
    }
}

#[test]
fn nothing_that_an_agent_plants_is_followed_waited_for_or_swallowed() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.json"), r#"{"note":"canary"}"#).unwrap();
    let directory = outside.path().join("attempt");
    fs::create_dir(&directory).unwrap();
    let at = |name: &str| directory.join(name);

    symlink(outside.path().join("secret.json"), at("link.json")).unwrap();
    symlink("../secret.json", at("relative.json")).unwrap();
    symlink(outside.path(), at("way")).unwrap();
    fs::write(at("inside.json"), r#"{"note":"fine"}"#).unwrap();
    symlink("inside.json", at("to-inside.json")).unwrap();
    symlink("/proc/self/fd/0", at("magic.json")).unwrap();
    let absolute = outside.path().join("secret.json");
    let names =
        ["link.json", "relative.json", "way/secret.json", "to-inside.json", "magic.json", "../secret.json"];
    for name in names.into_iter().chain(absolute.to_str()) {
        let result = hint(&directory, name);
        assert!(matches!(result, Err(HintError::Open(_))), "{name}: {result:?}");
    }

    mkfifoat(CWD, at("fifo.json"), Mode::from_raw_mode(0o666)).unwrap();
    assert!(matches!(hint(&directory, "fifo.json"), Err(HintError::NoFile)));
    fs::create_dir(at("directory.json")).unwrap();
    assert!(matches!(hint(&directory, "directory.json"), Err(HintError::NoFile)));
    let sparse = fs::File::create(at("sparse.json")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(matches!(hint(&directory, "sparse.json"), Err(HintError::TooLarge)));
    fs::write(at("large.json"), format!("{{\"note\":\"{}\"}}", "x".repeat(64 * 1024))).unwrap();
    assert!(matches!(hint(&directory, "large.json"), Err(HintError::TooLarge)));
}
