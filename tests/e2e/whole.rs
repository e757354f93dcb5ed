//! The real Claude Code in the whole path: from the label on a master issue to pull requests and a summary.

use crate::cli;
use crate::model_server::ModelServer;
use crate::scripts::{Case, SEED, cases};
use crate::support::world::{REPO, Setup, World};
use divisi::clock;
use divisi::simulator::RepoContent;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const KEY: &str = "sk-ant-real-key-canary-0123456789";

/// The master issue: one task per script.
fn body(cases: &[Case]) -> String {
    let list: Vec<String> = cases.iter().map(|c| format!("- [ ] {}", c.script.title)).collect();
    format!("A small book.\n\n## Tasks\n\n{}\n", list.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_real_agents_become_three_pull_requests_and_two_follow_ups() {
    let cases = cases();
    let model = ModelServer::start(cases.iter().map(|c| c.script.clone()).collect()).await;
    let world = World::new(Setup {
        content: RepoContent::files(SEED),
        rules: "verify = [\"test -s README.md\"]\nagent_timeout = \"60s\"\n".to_owned(),
        env: vec![
            ("DIVISI_AGENTS__TEST__KIND", "claude".to_owned()),
            ("DIVISI_AGENTS__TEST__COMMAND", format!("[\"{}\"]", cli::claude())),
            ("DIVISI_AGENTS__TEST__MODEL_BASE_URL", model.base_url.clone()),
            ("DIVISI_AGENTS__TEST__KEY", KEY.to_owned()),
        ],
        ..Setup::default()
    })
    .await;
    let began = clock::instant();
    let master = world.trigger("Epic: a small book", &body(&cases));
    world.until_ended(1).await;

    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());

    let summary = world.summary(master);
    assert!(summary.contains("**Total Sub-Tasks**: 5\n**Successful**: 3\n**Failed**: 2"), "{summary}");
    for (case, task) in cases.iter().zip(1..) {
        check(&world, master, case, task);
    }
    let metrics = world.run_dir().join(format!(".claude/runtime/parallel/{master}/metrics.json"));
    let metrics: Value = serde_json::from_slice(&std::fs::read(metrics).unwrap()).unwrap();
    assert!(metrics["tokens"].as_u64() > Some(1_000), "{metrics}");
    assert!(metrics["cost_usd"].as_f64() > Some(0.0), "{metrics}");
    // Five agents of about 300 MB each.
    assert!(metrics["resource_usage"]["peak_memory_mb"].as_u64() > Some(200), "{metrics}");

    let requests = model.seen();
    assert!(requests.iter().all(|r| r.key == KEY), "the listener puts the real key in");
    assert!(!holds(&world.data(), KEY), "the real key is in a file");
    let log = world.divisi.as_ref().map(|d| d.log_text()).unwrap_or_default();
    assert!(!log.contains(KEY), "the real key is in the log");
    world.end();
}

#[track_caller]
fn check(world: &World, master: u64, case: &Case, task: u32) {
    let title = case.script.title;
    let runtime = world.run_dir().join(".claude/runtime");
    let status = runtime.join(format!("parallel/{master}/agent-{task}.status.json"));
    let status: Value = serde_json::from_slice(&std::fs::read(status).unwrap()).unwrap();
    let error = status["error"].as_str().unwrap_or_default();
    match &case.expected {
        Ok(files) => {
            assert_eq!(status["status"], "completed", "{title}: {status}");
            let number = status["pr_number"].as_u64().unwrap();
            let head = world.github.read(|w| {
                let pull = w.pulls(REPO).into_iter().find(|p| p.number == number).unwrap();
                pull.pull.as_ref().unwrap().head.clone()
            });
            for (path, content) in files {
                let found = world.remote_git(&["show", &format!("refs/heads/{head}:{path}")]);
                assert_eq!(found, content.trim_end(), "{title}");
            }
        }
        Err(kind) => {
            assert_eq!(status["status"], "failed", "{title}: {status}");
            assert!(error.starts_with(&format!("{kind}: ")), "{title}: {error}");
        }
    }
    let logs = runtime.join("logs");
    let session = std::fs::read_dir(logs).unwrap().flatten().next().unwrap().path();
    let log = std::fs::read_to_string(session.join(format!("agent-{task}.log"))).unwrap();
    assert!(log.contains("starts test (claude)"), "{title}: {log}");
}

/// Whether any file below `dir` holds the text.
pub fn holds(dir: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            holds(&path, text)
        } else {
            std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes()))
        }
    })
}
