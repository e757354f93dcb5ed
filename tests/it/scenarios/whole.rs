//! From the label to pull requests and a summary.

use crate::support::world::{REPO, Setup, WORKS, World, said, tasks};
use serde_json::Value;
use std::time::{Duration, Instant};

/// An agent that fails for task 5 and works otherwise.
fn fifth_fails() -> String {
    format!("case \"$AGENT_ID\" in agent-5) cat >/dev/null; echo boom; exit 3;; esac\n{WORKS}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_tasks_become_four_pull_requests_and_a_follow_up() {
    let world = World::new(Setup { agent: fifth_fails(), ..Setup::default() }).await;
    let before = Instant::now();
    let master = world.trigger("Epic: the list", &tasks(5));
    world.until_ended(1).await;
    let took = before.elapsed();

    // Minting and revoking tokens is reported apart.
    let calls = world.github.read(|w| {
        let revoked =
            w.call_counts().get(&("DELETE".to_owned(), "/installation/token")).copied().unwrap_or(0);
        w.installation_calls() - revoked
    });
    let kinds = world.github.read(|w| w.call_counts());
    println!("calls until the summary and the rocket: {calls}; {took:?}: {kinds:#?}");
    assert!(calls <= 30, "{calls} calls");

    world.github.read(|w| {
        let children = w.sub_issues(REPO, master);
        assert_eq!(children.len(), 5);
        for (i, child) in children.iter().enumerate() {
            assert_eq!(child.title, format!("[Master #{master}] Task number {} of the list", i + 1));
            assert_eq!(child.labels, ["parallel-orchestration", "sub-issue"]);
            assert!(
                child
                    .body
                    .as_ref()
                    .is_some_and(|b| b.contains(&format!("#{master}")) && b.contains("it works"))
            );
        }
        let pulls = w.pulls(REPO);
        assert_eq!(pulls.len(), 4);
        for issue in pulls {
            let pull = issue.pull.as_ref().expect("a pull request");
            let child = children
                .iter()
                .find(|c| issue.body.as_ref().is_some_and(|b| b.contains(&format!("Closes #{}", c.number))));
            assert!(child.is_some(), "{:?}", issue.body);
            assert!(pull.draft && pull.base == "main", "{pull:?}");
            assert!(pull.head.starts_with(&format!("divisi/{master}/")), "{}", pull.head);
        }
        let follow_ups: Vec<_> =
            w.issues(REPO).into_iter().filter(|i| i.labels.iter().any(|l| l == "follow-up")).collect();
        assert_eq!(follow_ups.len(), 1);
        assert!(
            follow_ups[0]
                .body
                .as_ref()
                .is_some_and(|b| b.contains("boom") && b.contains("/orchestrate --retry"))
        );
        let comments = said(w, master);
        assert_eq!(comments.len(), 2, "progress and summary: {comments:#?}");
        assert_eq!(
            w.tokens().iter().filter(|t| t.revoked_at.is_none() && t.repos.is_some()).count(),
            0,
            "tokens are revoked"
        );
    });
    let summary = world.summary(master);
    let shape = format!(
        "## Parallel Orchestration Results\n\n**Master Issue**: #{master}\n**Total Sub-Tasks**: 5\n**Successful**: 4\n**Failed**: 1\n\n### Completed\n- [x] Sub-task 1 → PR #"
    );
    assert!(summary.starts_with(&shape), "{summary}");
    assert!(summary.contains("### Failed\n- [ ] Sub-task 5: "), "{summary}");

    for n in 1..=4 {
        let branch = format!("refs/heads/divisi/{master}/{n}-task-number-{n}-of-the-list");
        let files = world.remote_git(&["diff", "--name-only", "main", &branch]);
        assert_eq!(files, format!("agent-{n}.txt"));
        assert_eq!(world.remote_git(&["log", "-1", "--format=%s", &branch]), format!("Work of agent-{n}"));
    }
    let refs = world.remote_git(&["for-each-ref", "--format=%(refname)", "refs/"]);
    assert_eq!(refs.lines().count(), 5, "main and four branches: {refs}");

    public_files(&world, master, calls);
    let log = world.divisi.as_ref().map(|d| d.log_text()).unwrap_or_default();
    assert!(!log.contains("BEGIN PRIVATE KEY") && !log.contains("ghs_"), "secrets in the log");
    world.end();
}

fn public_files(world: &World, master: u64, calls: usize) {
    let dir = world.run_dir();
    let parallel = dir.join(format!(".claude/runtime/parallel/{master}"));
    for n in 1..=5 {
        let text =
            std::fs::read_to_string(parallel.join(format!("agent-{n}.status.json"))).expect("a status file");
        let status: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(status["agent_id"], format!("agent-{n}"));
        assert_eq!(status["status"], if n == 5 { "failed" } else { "completed" });
        assert_eq!(status["pr_number"].is_null(), n == 5);
        assert_eq!(
            status["error"].as_str().is_some_and(|e| e.starts_with("agent_error: ")),
            n == 5,
            "{status}"
        );
        let keys = ["agent_id", "sub_issue", "status", "start_time", "pr_number", "completion_time", "error"];
        let at: Vec<usize> = keys.iter().filter_map(|k| text.find(&format!("\"{k}\":"))).collect();
        assert!(at.len() == 7 && at.is_sorted(), "{text}");
    }
    let metrics: Value =
        serde_json::from_str(&std::fs::read_to_string(parallel.join("metrics.json")).expect("metrics"))
            .expect("JSON");
    assert_eq!(metrics["successful_agents"], 4);
    assert_eq!(metrics["failed_agents"], 1);
    assert_eq!(metrics["prs_created"].as_array().map(Vec::len), Some(4));
    assert_eq!(metrics["follow_up_issues"].as_array().map(Vec::len), Some(1));
    assert_eq!(metrics["resource_usage"]["max_concurrent_agents"], 5);
    assert!(metrics["resource_usage"]["peak_memory_mb"].as_u64().is_some_and(|m| m > 0), "{metrics}");
    let counted = metrics["resource_usage"]["total_api_calls"].as_u64().unwrap_or(0);
    assert!(counted.abs_diff(calls as u64) <= 2, "counted {counted}, seen {calls}");
    let summary = std::fs::read_to_string(parallel.join("summary.md")).expect("a summary");
    assert!(summary.starts_with("## Parallel Orchestration Results"), "{summary}");
    let id = metrics["orchestration_id"].as_str().unwrap_or_default();
    let logs = dir.join(format!(".claude/runtime/logs/{id}"));
    let session = std::fs::read_to_string(logs.join("session.log")).expect("a session log");
    assert!(session.contains("run ended: partial"), "{session}");
    let agent = std::fs::read_to_string(logs.join("agent-1.log")).expect("an agent's log");
    assert!(agent.contains("I am agent-1"), "{agent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eyes_come_at_once_and_agents_start_before_everything_is_linked() {
    let agent = format!("sleep 2\n{WORKS}");
    let world = World::new(Setup { agent, latency: Duration::from_millis(100), ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(5));
    world.until("eyes", |w| crate::support::world::reactions(w, "eyes") == 1).await;
    world.until("a progress comment", |w| !said(w, master).is_empty()).await;
    world.until_ended(1).await;
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_default_branch_crlf_and_odd_titles() {
    let setup = Setup { default_branch: "trunk", ..Setup::default() };
    let world = World::new(setup).await;
    let emoji = "🚀".repeat(300);
    let body = format!(
        "Tasks:\r\n\r\n- [ ] Add `$(touch pwned)`; rm -rf / && `id`\r\n- [ ] --upload-pack=evil --force\r\n- [ ] {emoji}\r\n- [ ] Say @everyone to /orchestrate\r\n"
    );
    let master = world.trigger("Epic: odd --titles `$(x)`", &body);
    world.until_ended(1).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, master).len(), 4);
        assert_eq!(w.pulls(REPO).len(), 4);
        for pull in w.pulls(REPO) {
            assert_eq!(pull.pull.as_ref().map(|p| p.base.as_str()), Some("trunk"));
            assert!(pull.title.chars().count() <= 256);
        }
    });
    world.end();
}
