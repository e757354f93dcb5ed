//! Agents that lie, hang, flood, fork or destroy: each ends with a clear reason, and the others finish.

use crate::support::world::{REPO, Setup, WORKS, World, tasks};

/// Runs three tasks of which the first has this agent; returns the summary.
async fn first_does(first: &str, rules: &str) -> (World, u64, String) {
    let agent = format!("if [ \"$AGENT_ID\" = agent-1 ]; then\n{first}\nfi\n{WORKS}");
    let world = World::new(Setup { agent, rules: rules.to_owned(), ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(3));
    world.until_ended(1).await;
    let summary = world.summary(master);
    (world, master, summary)
}

async fn check(first: &str, rules: &str, error: &str) {
    let (world, master, summary) = first_does(first, rules).await;
    let status = std::fs::read_to_string(
        world.run_dir().join(format!(".claude/runtime/parallel/{master}/agent-1.status.json")),
    )
    .expect("a status file");
    assert!(status.contains(&format!("\"error\":\"{error}: ")), "expected {error}: {status}");
    assert!(summary.contains("**Successful**: 2\n**Failed**: 1"), "{summary}");
    world.github.read(|w| {
        let follow_ups =
            w.issues(REPO).into_iter().filter(|i| i.labels.iter().any(|l| l == "follow-up")).count();
        assert_eq!((follow_ups, w.pulls(REPO).len()), (1, 2));
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn success_without_a_commit() {
    check("echo 'All done, everything works!'; exit 0", "", "no_changes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_that_ignores_signals() {
    check("trap '' TERM INT; while :; do sleep 1; done", "agent_timeout = \"3s\"\n", "timeout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output() {
    check(
        "yes 'flooding the log with a long line of text' | head -c 220000000; exit 0",
        "",
        "resource_error",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_repository() {
    check("rm -rf .git; echo x > x.txt; exit 0", "", "import_conflict").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protected_paths() {
    check(
        "mkdir -p .github/workflows; echo 'on: push' > .github/workflows/ci.yml; exit 0",
        "",
        "policy_violation",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_verify_command() {
    check("echo broken > bad.txt; exit 0", "verify = [\"test ! -e bad.txt\"]\n", "test_failure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_are_gone_when_the_attempt_is() {
    let proof = "for i in 1 2 3; do setsid sh -c 'trap \"\" TERM; exec sleep 987' >/dev/null 2>&1 & done";
    let (world, _, summary) = first_does(proof, "").await;
    assert!(summary.contains("**Successful**: 3"), "{summary}");
    let left = std::process::Command::new("pgrep").args(["-f", "sleep 987"]).output().expect("pgrep");
    assert!(left.stdout.is_empty(), "daemons are left: {}", String::from_utf8_lossy(&left.stdout));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn left_over_changes_are_committed_with_the_requester_as_co_author() {
    let (world, master, summary) = first_does("cat >/dev/null; echo left > left-over.txt; exit 0", "").await;
    assert!(summary.contains("**Successful**: 3"), "{summary}");
    let branch = format!("refs/heads/divisi/{master}/1-task-number-1-of-the-list");
    let message = world.remote_git(&["log", "-1", "--format=%an|%b", &branch]);
    assert!(message.starts_with("divisi[bot]|") && message.contains("Co-authored-by: mia"), "{message}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_does_not_exist() {
    let env = vec![("DIVISI_AGENTS__TEST__COMMAND", "[\"/nonexistent/agent\"]".to_owned())];
    let world = World::new(Setup { env, ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until_ended(1).await;
    assert!(world.summary(master).contains("**Failed**: 2"), "{}", world.summary(master));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_verified_is_what_is_pushed() {
    let sly = "cat > /dev/null; echo bad > value.txt; git add -A; git commit -qm bad; \
               git update-index --skip-worktree value.txt; echo good > value.txt; exit 0";
    check(sly, "verify = [\"! grep -q bad value.txt\"]\n", "test_failure").await;
}
