//! One attempt end to end, seen from outside: the agent's surroundings, and each way in which a stage fails.

use crate::support::world::{REPO, Setup, World, tasks};
use divisi::clock;
use serde_json::Value;
use std::time::Duration;

/// `agent-{task}.status.json`.
fn status(world: &World, master: u64, task: u32) -> Value {
    let path = world.run_dir().join(format!(".claude/runtime/parallel/{master}/agent-{task}.status.json"));
    serde_json::from_slice(&std::fs::read(path).expect("a status file")).expect("JSON")
}

/// A file on a task's branch.
fn file(world: &World, branch: &str, path: &str) -> String {
    world.remote_git(&["show", &format!("refs/heads/{branch}:{path}")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_gets_its_prompt_its_surroundings_and_nothing_else() {
    let proof = tempfile::tempdir().expect("a directory");
    let hinted = proof.path().join("hinted");
    let agent = r#"
        cat > prompt.txt
        env | cut -d= -f1 | sort > env.txt
        pwd > pwd.txt; echo "$WORKING_DIR" >> pwd.txt
        git worktree list > worktrees.txt
        { echo "$AGENT_ID $MASTER_ISSUE $SUB_ISSUE $BRANCH_NAME $TIMEOUT"; cat "$HOME/.ready"; } > names.txt
        printf '{"note":"half way","progress":50,"stage":"writing"}' > "$STATUS_FILE"
        while test ! -e HINTED; do sleep 0.2; done
        git add -A && git commit -qm Work"#
        .replace("HINTED", &hinted.display().to_string());
    let world = World::new(Setup {
        agent,
        rules: "setup = [\"touch setup-ran; echo ready > $HOME/.ready\"]\nverify = [\"test -e setup-ran\"]\n\
                agent_timeout = \"5m\"\n"
            .to_owned(),
        env: vec![("DIVISI_AGENTS__TEST__ENV", "{ MY_TOOL = \"/opt/tool\" }".to_owned())],
        ..Setup::default()
    })
    .await;
    let master = world.trigger("Epic: the list", &tasks(2));
    let shown = async {
        let runs = world.data().join("runs/acme/app");
        let of_first = format!(".claude/runtime/parallel/{master}/agent-1.status.json");
        loop {
            let text = if runs.exists() {
                std::fs::read_to_string(world.run_dir().join(&of_first))
            } else {
                Ok(String::new())
            };
            if text
                .is_ok_and(|t| t.contains("\"note\":\"writing: half way\"") && t.contains("\"progress\":50"))
            {
                return;
            }
            clock::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(
        clock::within(Duration::from_secs(80), shown).await.is_some(),
        "the agent's hint reaches its public status file"
    );
    std::fs::write(&hinted, "").expect("a file");
    world.until_ended(1).await;

    let branch = format!("divisi/{master}/1-task-number-1-of-the-list");
    let prompt = file(&world, &branch, "prompt.txt");
    for part in [
        "Task number 1 of the list",
        "- sub-task 2: Task number 2 of the list",
        "it works",
        ".github/**",
        "setup-ran",
        &branch,
    ] {
        assert!(prompt.contains(part), "{part} is missing in the prompt:\n{prompt}");
    }
    let names = file(&world, &branch, "env.txt");
    let shell = ["OLDPWD", "PWD", "SHLVL", "_", "i"];
    let names: Vec<&str> = names.lines().filter(|n| !shell.contains(n)).collect();
    assert_eq!(
        names,
        [
            "AGENT_ID",
            "BRANCH_NAME",
            "HOME",
            "LANG",
            "MASTER_ISSUE",
            "MY_TOOL",
            "PATH",
            "STATUS_FILE",
            "SUB_ISSUE",
            "TIMEOUT",
            "TMPDIR",
            "WORKING_DIR",
        ]
    );
    let places = file(&world, &branch, "pwd.txt");
    let (pwd, working_dir) = places.split_once('\n').expect("two lines");
    assert_eq!(pwd, working_dir);
    assert!(
        file(&world, &branch, "worktrees.txt").contains(&format!("{pwd} ")),
        "git lists the attempt's work tree"
    );
    let sub_issue = world.github.read(|w| w.sub_issues(REPO, master)[0].number);
    let named = file(&world, &branch, "names.txt");
    assert_eq!(named, format!("agent-1 {master} {sub_issue} {branch} 300\nready"));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_stage_fails_with_its_own_reason_and_a_retry_is_told_why() {
    // 1 fails once and is repeated; 2 in setup; 3 in verify; 4 too late in verify; 5 works.
    let agent = r#"
        prompt=$(cat)
        case "$AGENT_ID:$prompt" in
            agent-1:*"An earlier attempt failed"*"gave up for reasons"*) ;;
            agent-1:*) echo "gave up for reasons" >&2; exit 7 ;;
        esac
        echo "$AGENT_ID" > "$AGENT_ID.txt""#;
    let world = World::new(Setup {
        agent: agent.to_owned(),
        rules: "max_retries = 1\nagent_timeout = \"4s\"\n\
                setup = [\"test $AGENT_ID != agent-2 || { echo no compiler; exit 3; }\"]\n\
                verify = [\"test $AGENT_ID != agent-3\", \"test $AGENT_ID != agent-4 || sleep 60\"]\n"
            .to_owned(),
        ..Setup::default()
    })
    .await;
    let master = world.trigger("Epic: the list", &tasks(5));
    world.until_ended(1).await;
    let error = |task| status(&world, master, task)["error"].as_str().unwrap_or_default().to_owned();
    for task in [1, 5] {
        assert_eq!(status(&world, master, task)["status"], "completed", "task {task}: {}", error(task));
    }
    assert_eq!(status(&world, master, 1)["attempt"], 2);
    assert!(error(2).starts_with("build_error: ") && error(2).contains("exit code 3"), "{}", error(2));
    assert!(error(3).starts_with("test_failure: ") && error(3).contains("exit code 1"), "{}", error(3));
    assert!(
        error(4).starts_with("test_timeout: ") && error(4).contains("did not end within"),
        "{}",
        error(4)
    );
    // What people need to see why it failed.
    let follow_up = world.github.read(|w| {
        let all = w.issues(REPO);
        all.into_iter()
            .find(|i| i.body.as_deref().unwrap_or_default().contains("no compiler"))
            .map(|i| i.title.clone())
    });
    assert!(follow_up.is_some(), "the last lines of the failed command are in its follow-up");
    world.end();
}
