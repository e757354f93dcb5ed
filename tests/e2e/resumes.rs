//! The real Claude Code is cut off in the middle of a tool call by a restart and goes on with its session.

use crate::cli;
use crate::model_server::{Call, ModelServer, Script, Turns};
use crate::support::world::{REPO, Setup, World};
use divisi::clock;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const TITLE: &str = "Write the long chapter";

fn bash(command: &str) -> Call {
    Call { tool: "Bash", input: json!({"command": command, "description": "Run a command"}) }
}

async fn until_exists(path: &Path) {
    let wait = async {
        while !path.exists() {
            clock::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(clock::within(Duration::from_secs(60), wait).await.is_some(), "{} does not come", path.display());
}

async fn cut_off(restart: impl FnOnce(&mut World)) {
    let proof = tempfile::tempdir().unwrap();
    let mark = proof.path().join("working");
    let at = mark.display();
    let script = Script {
        title: TITLE,
        turns: Turns::Work(
            vec![
                bash("pwd; echo begun > begun.txt"),
                bash(&format!("test -e {at} || {{ touch {at}; sleep 300; }}")),
                bash("echo ended > ended.txt; git add -A && git commit -qm 'Write the chapter'"),
            ],
            "The chapter is written.",
        ),
    };
    let model = ModelServer::start(vec![script]).await;
    let mut world = World::new(Setup {
        rules: "max_retries = 0\nagent_timeout = \"90s\"\n".to_owned(),
        env: vec![
            ("DIVISI_AGENTS__TEST__KIND", "claude".to_owned()),
            ("DIVISI_AGENTS__TEST__COMMAND", format!("[\"{}\"]", cli::claude())),
            ("DIVISI_AGENTS__TEST__MODEL_BASE_URL", model.base_url.clone()),
            ("DIVISI_AGENTS__TEST__KEY", "sk-ant-test".to_owned()),
        ],
        ..Setup::default()
    })
    .await;
    let body = format!("A book.\n\n## Tasks\n\n- [ ] {TITLE}\n- [ ] Something that no script knows\n");
    let master = world.trigger("Epic: a book", &body);
    until_exists(&mark).await;
    // What the agent has used is written down every two seconds.
    clock::sleep(Duration::from_secs(3)).await;
    restart(&mut world);
    world.until_ended(1).await;

    let path = world.run_dir().join(format!(".claude/runtime/parallel/{master}/agent-1.status.json"));
    let status: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!((&status["status"], &status["attempt"]), (&json!("completed"), &json!(1)), "{status}");
    // The conversation of before is there, and what was said to it last is that it was interrupted.
    let requests = model.seen();
    let resumed = requests.iter().filter(|r| r.title == TITLE && r.last.contains("You were interrupted"));
    let turns: Vec<usize> = resumed.map(|r| r.turns).collect();
    assert!(turns.iter().any(|turns| *turns >= 1), "{requests:#?}");
    // Its first steps were not done again: the second one only was asked for anew.
    let first = requests.iter().filter(|r| r.title == TITLE && r.turns == 0).count();
    assert_eq!(first, 1, "{requests:#?}");
    let head = world.github.read(|w| w.pulls(REPO)[0].pull.as_ref().unwrap().head.clone());
    for (file, text) in [("begun.txt", "begun"), ("ended.txt", "ended")] {
        assert_eq!(world.remote_git(&["show", &format!("refs/heads/{head}:{file}")]), text);
    }
    let metrics = world.run_dir().join(format!(".claude/runtime/parallel/{master}/metrics.json"));
    let metrics: Value = serde_json::from_slice(&std::fs::read(metrics).unwrap()).unwrap();
    assert!(metrics["tokens"].as_u64() > Some(300), "tokens of both lives: {metrics}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_stop_the_session_goes_on() {
    cut_off(|world| {
        let mut divisi = world.divisi.take().expect("it runs");
        assert_eq!(divisi.stop(), Some(0), "{}", divisi.log_text());
        world.start();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_the_session_goes_on() {
    cut_off(|world| {
        world.divisi.take().expect("it runs").kill();
        world.start();
    })
    .await;
}
