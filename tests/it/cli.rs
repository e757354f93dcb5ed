//! The commands that a person types: `demo`, `run`, `healthcheck`.

use crate::support::divisi::signal;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary with nothing of our environment but the search path, and a directory for temporary files of its own.
fn divisi(tmp: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_divisi"));
    command
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("TMPDIR", tmp)
        .env("HOME", tmp);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(dir).args(args).output().expect("git");
    assert!(output.status.success(), "git {args:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).expect("a directory").map(|e| e.expect("an entry").path()).collect()
}

#[test]
fn the_demo_ends_with_five_of_five_and_leaves_nothing() {
    let tmp = tempfile::tempdir().expect("a directory");
    let output = divisi(tmp.path()).arg("demo").output().expect("divisi");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", text(&output.stderr));
    assert!(said.contains("**Successful**: 4\n  | **Failed**: 1"), "{said}");
    assert!(said.contains("**Successful**: 5\n  | **Failed**: 0"), "{said}");
    assert_eq!(entries(tmp.path()), Vec::<PathBuf>::new(), "left behind");
}

#[test]
fn what_the_demo_keeps_is_whole() {
    let tmp = tempfile::tempdir().expect("a directory");
    let output = divisi(tmp.path()).args(["demo", "--keep"]).output().expect("divisi");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let kept = entries(tmp.path()).pop().expect("the kept directory");
    let remote = kept.join("github/example/project.git");
    let branches = git(&remote, &["for-each-ref", "--format=%(refname:short)", "refs/heads/divisi"]);
    assert_eq!(branches.lines().count(), 5, "{branches}");
    for branch in branches.lines() {
        assert_eq!(git(&remote, &["rev-list", "--count", &format!("main..{branch}")]), "1");
    }
    let run = entries(&kept.join("data/runs/example/project")).pop().expect("a run");
    for n in 1..=5 {
        let status = run.join(format!(".claude/runtime/parallel/1/agent-{n}.status.json"));
        let status: serde_json::Value =
            serde_json::from_slice(&std::fs::read(status).expect("a status")).expect("JSON");
        assert_eq!(status["status"], "completed", "{status}");
    }
    let attempts = kept.join("data/attempts");
    assert!(!attempts.exists() || entries(&attempts).is_empty(), "work trees are left");
}

#[test]
fn a_signal_ends_the_demo_and_leaves_nothing() {
    for (wait, with) in [(150, Signal::INT), (700, Signal::TERM), (1_500, Signal::INT)] {
        let tmp = tempfile::tempdir().expect("a directory");
        let mut child = divisi(tmp.path()).arg("demo").stdout(Stdio::null()).spawn().expect("divisi");
        std::thread::sleep(Duration::from_millis(wait));
        signal(child.id(), with);
        let end = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = child.try_wait().expect("a status") {
                break status;
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it goes on after {with:?} at {wait} ms");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(130), "{with:?} at {wait} ms");
        assert_eq!(entries(tmp.path()), Vec::<PathBuf>::new(), "left behind by {with:?} at {wait} ms");
    }
}

/// A person's directory: a repository, settings with an agent, an issue.
struct Desk {
    dir: tempfile::TempDir,
    tmp: tempfile::TempDir,
}

const AGENT: &str = "cat > /dev/null\n[ -e fail-$AGENT_ID ] && exit 1\necho \"$AGENT_ID\" > \"$AGENT_ID.txt\"\ngit add -A && git commit -qm work\n";
const ISSUE: &str = "# Epic: files\n\n## Tasks\n\n- [ ] Write the first file\n- [ ] Write the second file\n";

impl Desk {
    fn new() -> Self {
        let (dir, tmp) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let desk = Self { dir, tmp };
        let at = desk.dir.path();
        std::fs::write(at.join("agent.sh"), AGENT).expect("an agent");
        let agent = format!("[agents.mine]\ncommand = [\"sh\", \"{}\"]\n", at.join("agent.sh").display());
        let ghost = "[agents.ghost]\ncommand = [\"/nonexistent/agent\"]\n";
        std::fs::write(at.join("divisi.toml"), agent + ghost).expect("settings");
        std::fs::write(at.join("issue.md"), ISSUE).expect("an issue");
        git(at, &["init", "-q", "-b", "trunk", "repo"]);
        let repo = desk.repo();
        for (name, value) in [("user.name", "Me"), ("user.email", "me@example.org")] {
            git(&repo, &["config", name, value]);
        }
        std::fs::write(repo.join("README.md"), "hello\n").expect("a file");
        desk.commit();
        desk
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn commit(&self) {
        git(&self.repo(), &["add", "-A"]);
        git(&self.repo(), &["commit", "-qm", "a change"]);
    }

    fn run(&self, issue: &str, more: &[&str]) -> Output {
        let mut command = divisi(self.tmp.path());
        command.current_dir(self.dir.path()).args(["run", issue, "--repo", "repo"]).args(more);
        let output = command.output().expect("divisi");
        assert_eq!(entries(self.tmp.path()), Vec::<PathBuf>::new(), "left behind: {}", text(&output.stderr));
        output
    }

    #[track_caller]
    fn check(&self, issue: &str, more: &[&str], code: i32, says: &str) {
        let output = self.run(issue, more);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn finished_branches_come_back_and_nothing_else_changes() {
    let desk = Desk::new();
    let before = git(&desk.repo(), &["rev-parse", "HEAD"]);
    desk.check("issue.md", &["--agent", "mine", "--yes"], 0, "**Successful**: 2");
    let branches = git(&desk.repo(), &["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    assert_eq!(branches, "divisi/1/1-write-the-first-file\ndivisi/1/2-write-the-second-file\ntrunk");
    assert_eq!(git(&desk.repo(), &["show", "divisi/1/2-write-the-second-file:agent-2.txt"]), "agent-2");
    assert_eq!(git(&desk.repo(), &["rev-parse", "HEAD"]), before);
    assert_eq!(git(&desk.repo(), &["status", "--porcelain"]), "");
    // Again: the branches that are there stay, the new ones get a number.
    desk.check("issue.md", &["--agent", "mine", "--yes"], 0, "divisi/1/1-write-the-first-file-2");
}

#[test]
fn exit_codes_tell_what_happened() {
    let desk = Desk::new();
    let write = |name: &str, text: &str| std::fs::write(desk.dir.path().join(name), text).expect("a file");
    desk.check("issue.md", &["--agent", "mine"], 9, "--yes");
    desk.check("issue.md", &["--agent", "nobody", "--yes"], 8, "nobody");
    desk.check("issue.md", &["--agent", "ghost", "--yes"], 8, "/nonexistent/agent");
    desk.check("nothing.md", &["--agent", "mine", "--yes"], 3, "nothing.md");
    write("none.md", "# A bug\n\nIt crashes.\n");
    desk.check("none.md", &["--agent", "mine", "--yes"], 3, "no sub-tasks");
    write("order.md", "# T\n\n- [ ] Write the schema\n- [ ] Write the importer (depends on task 1)\n");
    desk.check("order.md", &["--agent", "mine", "--yes"], 4, "**Order**: 1 → 2");
    write("long.md", &format!("{ISSUE}\n{}", "story ".repeat(12_000)));
    desk.check("long.md", &["--agent", "mine", "--yes"], 3, "65536");
    std::fs::write(desk.repo().join("fail-agent-2"), "").expect("a file");
    desk.commit();
    desk.check("issue.md", &["--agent", "mine", "--yes"], 2, "**Failed**: 1");
    std::fs::create_dir_all(desk.repo().join(".github")).expect("a directory");
    std::fs::write(desk.repo().join(".github/divisi.toml"), "success_threshold = 0.5\n").expect("a file");
    desk.commit();
    desk.check("issue.md", &["--agent", "mine", "--yes"], 1, "**Failed**: 1");
}

#[test]
fn healthcheck_tells_when_nothing_answers() {
    let tmp = tempfile::tempdir().expect("a directory");
    let output =
        divisi(tmp.path()).args(["healthcheck", "--listen", "127.0.0.1:1"]).output().expect("divisi");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nothing answers at 127.0.0.1:1"));
}

/// `divisi plan` with these arguments and this standard input: exit code, output, errors.
fn plan(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    use std::io::Write as _;
    let tmp = tempfile::tempdir().expect("a directory");
    let mut command = divisi(tmp.path());
    command.arg("plan").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("divisi");
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_plan_is_read_from_a_file_or_from_standard_input() {
    let menu = "\n# Epic: menu\n\n## Tasks\n\n- [x] Buy a board\n- [ ] Add the soup to `src/menu.txt`\n- [ ] Add | the \u{1b}[31msalad to `src/menu.txt`\n";
    let (code, said, _) = plan(&["-"], menu);
    let expected = "The plan: 2 tasks, of which some wait for others\n\n \
                    done  S  Buy a board  (line 6)\n    \
                    1  M  Add the soup to `src/menu.txt`  (line 7)\n    \
                    2  M  Add | the [31msalad to `src/menu.txt`  (line 8)\n          \
                    waits for 1: both name the path `src/menu.txt`\n";
    assert!(code == Some(0) && said.starts_with(expected), "{said}");
    let pointed = said.strip_prefix(expected).expect("checked");
    assert!(pointed.contains("☞ some sub-tasks name the same place"), "{pointed}");
    assert!(pointed.contains(" 8 │ - [ ] Add | the [31msalad to `src/menu.txt`\n"), "{pointed}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&file, menu).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let (code, said, _) = plan(&[path, "--json"], "");
    let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &json["verdict"], &json["is_master"]), (Some(0), &"parallel".into(), &true.into()));
    assert_eq!(json["tasks"][1]["title"], "Add the soup to `src/menu.txt`");
    assert_eq!((&json["overlaps"][0]["a"], &json["overlaps"][0]["b"]), (&1.into(), &2.into()));
}

/// The issue and the output that `docs/plans.md` shows are what the program reads and says.
#[test]
fn the_documented_explanation_is_what_the_program_says() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/plans.md")).expect("the page");
    let shown = crate::docs::blocks(&page);
    let block = |language: &str| {
        let found = shown.iter().find(|(of, _)| *of == language).map(|(_, text)| text.trim().to_owned());
        found.unwrap_or_else(|| panic!("a {language} block"))
    };
    let (code, said, _) = plan(&["-", "--explain"], &block("markdown"));
    assert_eq!((code, said.trim()), (Some(4), block("text").as_str()));
    let (_, said, _) = plan(&["-", "--explain", "--json"], &block("markdown"));
    let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let lines = json["lines"].as_array().expect("lines");
    let line =
        |n: u64| lines.iter().find(|l| l["line"] == n).unwrap_or_else(|| panic!("line {n}: {lines:#?}"));
    assert_eq!(line(7)["text"], "- [ ] Write the schema");
    assert_eq!((line(7)["what"].as_str(), line(7)["rule"].as_str()), (Some("task"), Some("R6")));
    assert_eq!(line(7)["why"], "task 1: a check box under 'Tasks'");
    assert_eq!(line(14)["what"], "item");
    let (_, said, _) = plan(&["-", "--json"], &block("markdown"));
    assert!(!said.contains("\"lines\""), "only who asks is told");
}

/// Whatever an issue holds, what is shown steers no terminal and points at the right line.
#[test]
fn odd_lines_are_pointed_at_without_harm() {
    let odd = "# Epic: ring\r\n\r\n## Tasks\r\n\r\n- [ ] 見出しを書く \u{202e}(after task 2) \u{1b}]0;x\u{7}\r\n-\t[ ] Another thing (after task 1)\r\n";
    let (code, said, _) = plan(&["-", "--explain"], odd);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(" 5 │ - [ ] 見出しを書く (after task 2) ]0;x\n"), "{said}");
    assert!(said.contains("1 waits for 2") && said.contains("2 waits for 1"), "{said}");
    assert!(said.contains("line 6: task 2: a check box under 'Tasks' (R6)\n"), "{said}");
    assert!(!said.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{said:?}");
    let long =
        format!("# Epic\n\n## Tasks\n\n- [ ] A thing {}(after task 2)\n- [ ] Another\n", "ü".repeat(5_000));
    let (_, said, _) = plan(&["-"], &long);
    assert!(said.lines().all(|line| line.chars().count() < 200), "{said}");
    let many: String = (1..=101).map(|n| format!("- [ ] Thing {n}\n")).collect();
    let (_, said, _) = plan(&["-", "--title", "Epic"], &many);
    assert!(
        said.contains("101 │ - [ ] Thing 101") && said.contains("number 101; GitHub allows 100"),
        "{said}"
    );
    let (_, said, _) = plan(&["-", "--title", "Epic"], "- [x] A\n- [x] B\n");
    assert!(said.contains("all sub-tasks are done") && said.contains("2 │ - [x] B"), "{said}");
    let (_, said, _) = plan(&["-", "--title", "Bug"], "It is broken.\n\n- one\n- two\n");
    assert!(said.contains("no sub-tasks were found") && said.contains("3 │ - one"), "{said}");
    assert!(said.contains("nothing says that this is a list of work"), "{said}");
}

#[test]
fn the_exit_code_of_a_plan_is_its_verdict() {
    let ring =
        "## Tasks\n\n- [ ] A thing (after task 2)\n- [ ] Another thing (after task 1)\n- [ ] A third thing\n";
    let (code, said, _) = plan(&["-", "--title", "Epic: ring"], ring);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("wait for one another in a circle") && said.contains("─ 1 waits for 2\n"),
        "{said}"
    );
    let (code, said, _) = plan(&["-"], "It crashes.");
    assert_eq!(code, Some(3));
    assert!(said.starts_with("The plan: nothing to do\n\nList the sub-tasks as check boxes"), "{said}");
    let one = "## Tasks\n\n- [ ] A single thing\n";
    assert_eq!(plan(&["-", "--title", "Epic"], one).0, Some(3));
    let repo = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(repo.path().join(".github")).expect("made");
    std::fs::write(repo.path().join(".github/divisi.toml"), "min_tasks = 1\n").expect("written");
    let dir = repo.path().to_str().expect("UTF-8");
    assert_eq!(plan(&["-", "--title", "Epic", "--repo", dir], one).0, Some(0));
    std::fs::write(repo.path().join(".github/divisi.toml"), "min_task = 1\n").expect("written");
    let (code, _, errors) = plan(&["-", "--repo", dir], one);
    assert!(code == Some(9) && errors.contains("did you mean `min_tasks`?"), "{errors}");
    let (code, _, errors) = plan(&["-"], &"x".repeat(70_000));
    assert!(code == Some(3) && errors.contains("an issue has at most 65536"), "{errors}");
    let (code, _, errors) = plan(&["/nowhere/issue.md"], "");
    assert!(code == Some(3) && errors.contains("cannot read /nowhere/issue.md"), "{errors}");
}

#[test]
fn a_plan_says_which_tasks_will_probably_change_the_same_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let body = "# Epic\n\n## Tasks\n\n- [ ] Speed up the tokenizer\n- [ ] Quotes in the tokenizer\n- [ ] Translate the welcome page\n";
    let args = ["-", "--json", "--repo", dir.path().to_str().expect("a path")];
    let (code, said, _) = plan(&args, body);
    let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &json["overlaps"]), (Some(0), &serde_json::json!([])));
    assert!(json["unsearched"].as_str().is_some_and(|why| why.contains("not a git repository")), "{said}");
    std::fs::create_dir(dir.path().join("src")).expect("a directory");
    std::fs::write(dir.path().join("src/tokenizer.rs"), "pub struct Tokenizer;\n").expect("a file");
    std::fs::write(dir.path().join("welcome.html"), "<h1>Welcome</h1>\n").expect("a file");
    git(dir.path(), &["init", "-q", "."]);
    git(dir.path(), &["add", "-A"]);
    git(dir.path(), &["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "First"]);
    let (code, said, _) = plan(&args, body);
    let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &json["verdict"]), (Some(0), &"parallel".into()));
    let overlap = &json["overlaps"][0];
    assert_eq!(
        (&overlap["a"], &overlap["b"], &overlap["confidence"]),
        (&0.into(), &1.into(), &"likely".into())
    );
    assert!(
        overlap["reason"]
            .as_str()
            .is_some_and(|r| r.starts_with("both probably change `src/tokenizer.rs` (words: tokenizer")),
        "{said}"
    );
    assert!(json["overlaps"][1].is_null() && json["unsearched"].is_null(), "{said}");
    let (_, said, _) = plan(&["-", "--repo", args[3]], body);
    assert!(
        said.contains("Tasks 1 and 2 run side by side and may touch the same place: both probably change `src/tokenizer.rs`"),
        "{said}"
    );
}
