//! The launcher against programs that do not want to end, and against the death of what started them.

mod fence;

use divisi::clock;
use divisi::sandbox::{
    Confinement, Ended, HostError, HostSpec, Launcher, Output, Spec, Status, StopReason, Stream,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_divisi");
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const LONG: Duration = Duration::from_secs(30);

/// Private directories, and a word that only this test's processes have in their arguments.
struct Place {
    dir: tempfile::TempDir,
    mark: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for sub in ["cwd", "home", "tmp"] {
            fs::create_dir(dir.path().join(sub)).expect("a directory");
        }
        // `sleep` takes a fraction, so the mark can stand in the number of seconds.
        let mark = format!("1000.{}", u64::from_str_radix(&clock::secret_hex(7), 16).expect("hexadecimal"));
        Self { dir, mark }
    }

    fn path(&self, sub: &str) -> PathBuf {
        self.dir.path().join(sub)
    }

    fn spec(&self, script: &str) -> Spec {
        let mut spec = Spec::new("sh", self.path("cwd"), self.path("home"), self.path("tmp"), LONG);
        spec.args = vec!["-c".into(), script.replace("MARK", &self.mark)];
        spec.env = BTreeMap::from([("PATH".into(), PATH.into())]);
        spec.grace = Duration::from_millis(300);
        spec
    }

    /// Processes of this test that are alive.
    fn survivors(&self) -> usize {
        marked(&self.mark)
    }

    async fn expect_survivors(&self, count: usize, within: Duration) {
        let end = clock::instant() + within;
        loop {
            let found = self.survivors();
            if found == count {
                return;
            }
            assert!(clock::instant() < end, "{found} processes instead of {count} after {within:?}");
            clock::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn marked(mark: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let cmdlines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    cmdlines.filter(|line| line.windows(mark.len()).any(|w| w == mark.as_bytes())).count()
}

/// Every confinement that this machine allows; the lesser ones must hold too.
async fn launchers() -> Vec<Launcher> {
    let best = Launcher::new(BINARY).await.expect("a launcher").confinement();
    let from = Confinement::ALL.iter().position(|c| *c == best).expect("one of them");
    let mut found = vec![Launcher::with_confinement(BINARY, best)];
    if best == Confinement::PidNamespace && probe_user_namespace() {
        found.push(Launcher::with_confinement(BINARY, Confinement::UserPidNamespace));
    }
    if from < 2 {
        found.push(Launcher::with_confinement(BINARY, Confinement::Subreaper));
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "asks the shim itself")]
fn probe_user_namespace() -> bool {
    Command::new(BINARY)
        .args(["agent-shim", "probe", "user-pid-namespace"])
        .status()
        .is_ok_and(|s| s.success())
}

async fn run(launcher: &Launcher, spec: Spec) -> (Vec<Output>, Ended) {
    let mut process = launcher.start(spec).await.expect("a shim");
    let mut lines = Vec::new();
    while let Some(output) = process.next_output().await {
        lines.push(output);
    }
    (lines, process.wait().await)
}

fn text(lines: &[Output], stream: Stream) -> Vec<String> {
    lines
        .iter()
        .filter(|o| o.stream == stream)
        .map(|o| String::from_utf8_lossy(&o.line).into_owned())
        .collect()
}

#[tokio::test]
async fn a_program_gets_exactly_what_the_specification_says() {
    for launcher in launchers().await {
        let place = Place::new();
        let mut spec = place.spec("env | sort; pwd; cat; echo oops >&2; ls /proc/self/fd | wc -l; exit 7");
        spec.env.insert("GREETING".into(), "two  words\nand a line".into());
        spec.stdin = b"from stdin\n".to_vec();
        let (lines, ended) = run(&launcher, spec).await;
        let out = text(&lines, Stream::Stdout);
        let own: Vec<&str> = out
            .iter()
            .map(String::as_str)
            .filter(|l| !l.starts_with("PWD=") && !l.starts_with("_=") && !l.starts_with("SHLVL="))
            .collect();
        let (home, tmp, cwd) = (place.path("home"), place.path("tmp"), place.path("cwd"));
        let (home, tmp) = (format!("HOME={}", home.display()), format!("TMPDIR={}", tmp.display()));
        let path = format!("PATH={PATH}");
        let mut expected = vec!["GREETING=two  words", "and a line", &home, &path, &tmp];
        expected.sort_unstable();
        let mut found = own[..5].to_vec();
        found.sort_unstable();
        assert_eq!(found, expected, "{}", launcher.confinement());
        assert_eq!(own[5..7], [cwd.to_str().expect("UTF-8"), "from stdin"]);
        assert_eq!(own[7].trim(), "4", "descriptors of `ls`: three streams and the directory");
        assert_eq!(text(&lines, Stream::Stderr), ["oops"]);
        assert_eq!((ended.status, ended.reason), (Status::Exit(7), None));
    }
}

#[tokio::test]
async fn a_program_that_cannot_start_says_why() {
    for launcher in launchers().await {
        let place = Place::new();
        let mut missing = place.spec("");
        missing.program = "no-such-agent".into();
        let (_, ended) = run(&launcher, missing).await;
        assert_eq!(ended.status, Status::NotStarted("the program `no-such-agent` was not found".into()));
        let mut no_cwd = place.spec("exit 0");
        no_cwd.cwd = place.path("gone");
        let (_, ended) = run(&launcher, no_cwd).await;
        assert!(
            matches!(&ended.status, Status::NotStarted(why) if why.contains("working directory")),
            "{ended:?}"
        );
        let mut no_program = place.spec("");
        no_program.program = place.path("cwd").display().to_string();
        let (_, ended) = run(&launcher, no_program).await;
        assert!(
            matches!(&ended.status, Status::NotStarted(why) if why.contains("may not be run")),
            "{ended:?}"
        );
        let mut too_long = place.spec("exit 0");
        too_long.args.push("x".repeat(4 << 20));
        let (_, ended) = run(&launcher, too_long).await;
        assert!(
            matches!(&ended.status, Status::NotStarted(why) if why.contains("could not be started")),
            "{ended:?}"
        );
    }
    Launcher::new("/bin/false").await.expect_err("not a shim");
    Launcher::new("/nonexistent").await.expect_err("not there");
}

#[tokio::test]
async fn signals_of_others_are_told() {
    for launcher in launchers().await {
        let (_, ended) = run(&launcher, Place::new().spec("kill -9 $$")).await;
        assert_eq!((ended.status, ended.reason), (Status::Signal(9), None), "{}", launcher.confinement());
    }
}

/// Daemons of every kind: own sessions, double forks, SIGTERM ignored.
const DAEMONS: &str = "trap '' TERM; for i in 1 2 3; do setsid sleep MARK & done; (setsid sh -c 'sleep MARK & sleep MARK & sleep MARK' &) ; ";

#[tokio::test]
async fn a_stop_leaves_no_process() {
    for launcher in launchers().await {
        let place = Place::new();
        let script = format!(
            "{DAEMONS} i=0; while [ $i -lt 300 ]; do sleep MARK & i=$((i+1)); done; echo up; while :; do sleep MARK; done"
        );
        let mut process = launcher.start(place.spec(&script)).await.expect("a shim");
        let line = process.next_output().await.expect("a line");
        assert_eq!(line.line, b"up");
        // 300 children, 3 + 3 daemons, and the mark in the arguments of both shells and the last `sleep`.
        place.expect_survivors(309, Duration::from_secs(10)).await;
        process.stop(StopReason::Stopped);
        let asked = clock::instant();
        let ended = process.wait().await;
        let took = asked.elapsed();
        assert_eq!(place.survivors(), 0, "{}", launcher.confinement());
        assert!(took < Duration::from_millis(300) + Duration::from_secs(2), "{took:?}");
        assert_eq!(ended.reason, Some(StopReason::Stopped));
        assert_eq!(ended.status, Status::Signal(9));
        assert!(ended.peak_rss_bytes > 50 << 20, "{ended:?}");
    }
}

#[tokio::test]
async fn a_normal_end_leaves_no_daemon_and_no_open_stream() {
    for launcher in launchers().await {
        let place = Place::new();
        let start = clock::instant();
        let (lines, ended) = run(&launcher, place.spec(&format!("{DAEMONS} echo done; exit 0"))).await;
        assert_eq!(text(&lines, Stream::Stdout), ["done"]);
        assert!(ended.success(), "{ended:?}");
        assert_eq!(place.survivors(), 0, "{}", launcher.confinement());
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn dropping_a_process_kills_it() {
    for launcher in launchers().await {
        let place = Place::new();
        let mut process =
            launcher.start(place.spec(&format!("{DAEMONS} echo up; sleep MARK"))).await.expect("a shim");
        process.next_output().await.expect("a line");
        drop(process);
        place.expect_survivors(0, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn the_deadline_ends_a_program_that_ignores_sigterm() {
    for launcher in launchers().await {
        let place = Place::new();
        let mut spec = place.spec(&format!("{DAEMONS} while :; do sleep 0.05; done"));
        spec.deadline = Duration::from_millis(400);
        let (_, ended) = run(&launcher, spec).await;
        assert_eq!((ended.reason, ended.status), (Some(StopReason::Deadline), Status::Signal(9)));
        assert!(
            ended.duration >= Duration::from_millis(700) && ended.duration < Duration::from_secs(4),
            "{:?}",
            ended.duration
        );
        assert_eq!(place.survivors(), 0, "{}", launcher.confinement());
        let mut gentle = place.spec("trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done");
        gentle.deadline = Duration::from_millis(300);
        gentle.grace = Duration::from_secs(20);
        let (lines, ended) = run(&launcher, gentle).await;
        assert_eq!((ended.reason, ended.status), (Some(StopReason::Deadline), Status::Exit(3)));
        assert_eq!(text(&lines, Stream::Stdout), ["bye"]);
    }
}

#[tokio::test]
async fn silence_is_bounded_and_the_bound_can_be_moved() {
    let launcher = Launcher::new(BINARY).await.expect("a launcher");
    let place = Place::new();
    let mut talking = place.spec("for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done");
    talking.stall = Some(Duration::from_millis(700));
    let (lines, ended) = run(&launcher, talking).await;
    assert!(ended.success() && lines.len() == 6, "{ended:?}");
    let mut silent = place.spec("echo one; exec sleep MARK");
    silent.stall = Some(Duration::from_millis(500));
    let (_, ended) = run(&launcher, silent.clone()).await;
    assert_eq!(ended.reason, Some(StopReason::Stalled));
    assert!(ended.duration < Duration::from_secs(4), "{:?}", ended.duration);
    silent.stall = Some(Duration::from_secs(60));
    let mut process = launcher.start(silent).await.expect("a shim");
    process.next_output().await.expect("a line");
    process.handle().set_stall(Some(Duration::from_millis(200)));
    assert_eq!(process.wait().await.reason, Some(StopReason::Stalled));
}

#[tokio::test]
async fn a_flood_of_output_ends_within_bounded_memory() {
    let launcher = Launcher::new(BINARY).await.expect("a launcher");
    let place = Place::new();
    let flood = "yes 0123456789012345678901234567890123456789 | head -c 200000000";
    for (script, max) in [(flood, 10 << 20), ("head -c 200000000 /dev/zero", 100 << 20)] {
        let before = own_memory("VmRSS:");
        let mut spec = place.spec(script);
        spec.limits.max_output = max;
        let mut process = launcher.start(spec).await.expect("a shim");
        let (mut seen, mut longest, mut highest, mut lines) = (0, 0, 0, 0);
        while let Some(output) = process.next_output().await {
            seen += output.line.len() as u64;
            longest = longest.max(output.line.len());
            lines += 1;
            if lines % 1_000 == 1 {
                highest = highest.max(own_memory("VmRSS:"));
            }
        }
        let ended = process.wait().await;
        assert_eq!(ended.reason, Some(StopReason::OutputLimit), "{ended:?}");
        assert!(seen <= max && longest <= 16_000_000, "{seen} {longest}");
        assert!(highest.saturating_sub(before) < 40 << 20, "{} bytes more", highest - before);
    }
    let mut line = place.spec("head -c 300 /dev/zero; echo; echo whole");
    line.limits.max_line = 100;
    let (lines, ended) = run(&launcher, line).await;
    assert!(ended.success());
    assert_eq!((lines[0].line.len(), lines[0].truncated, lines[1].truncated), (100, true, false));
}

fn own_memory(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|l| l.strip_prefix(key)).expect("the key");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[tokio::test]
async fn memory_and_process_counts_are_bounded() {
    let launcher = Launcher::new(BINARY).await.expect("a launcher");
    let place = Place::new();
    // `tail` keeps an unfinished line in memory.
    let mut hungry = place.spec("head -c 300000000 /dev/zero | tail; sleep MARK");
    hungry.limits.max_memory = Some(100 << 20);
    let (_, ended) = run(&launcher, hungry).await;
    assert_eq!(ended.reason, Some(StopReason::MemoryLimit), "{ended:?}");
    assert!(ended.peak_rss_bytes > 100 << 20);
    let mut many = place.spec("i=0; while [ $i -lt 80 ]; do sleep MARK & i=$((i+1)); done; wait");
    many.limits.max_processes = 50;
    let (_, ended) = run(&launcher, many).await;
    assert_eq!(ended.reason, Some(StopReason::ProcessLimit), "{ended:?}");
    assert_eq!(place.survivors(), 0);
}

#[tokio::test]
async fn a_program_that_is_killed_by_its_own_children_cannot_take_the_shim_along() {
    for launcher in launchers().await {
        let place = Place::new();
        // Without a PID namespace the parent of the program is the shim, which the same user may kill: what was seen of its tree goes all the same.
        let end = if launcher.confinement() == Confinement::Subreaper {
            "exec sleep MARK"
        } else {
            "kill -9 -1; exit 1"
        };
        let script = format!("{DAEMONS} echo up; sleep 0.4; kill -9 $PPID; {end}");
        let (_, ended) = run(&launcher, place.spec(&script)).await;
        assert!(!ended.success(), "{ended:?}");
        place.expect_survivors(0, Duration::from_secs(2)).await;
    }
}

/// A process that holds a launcher and can be killed: this test binary again, running the ignored test below in a directory with its script.
struct Holder {
    child: std::process::Child,
}

impl Holder {
    fn start(place: &Place, script: &str, confinement: Confinement) -> Self {
        fs::write(place.path("cwd/script"), script.replace("MARK", &place.mark)).expect("a file");
        fs::write(place.path("cwd/confinement"), confinement.as_str()).expect("a file");
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["sandbox::holds_a_program_until_it_is_killed", "--exact", "--ignored", "--nocapture"]);
        command
            .current_dir(place.path("cwd"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        #[expect(clippy::disallowed_methods, reason = "the process that is to be killed")]
        let mut child = command.spawn().expect("this binary starts");
        let mut out = child.stdout.take().expect("a pipe");
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(b"program is up") && out.read(&mut byte).is_ok_and(|n| n == 1) {
            seen.push(byte[0]);
        }
        assert!(seen.ends_with(b"program is up"), "{}", String::from_utf8_lossy(&seen));
        Self { child }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "not a test: the process that the tests below start and kill"]
async fn holds_a_program_until_it_is_killed() {
    let script = fs::read_to_string("script").expect("started by a test");
    let confinement =
        Confinement::parse(&fs::read_to_string("confinement").expect("started by a test")).expect("one");
    let launcher = Launcher::with_confinement(BINARY, confinement);
    let here = fs::canonicalize(".").expect("here");
    let mut spec = Spec::new("sh", &here, &here, &here, Duration::from_secs(4));
    spec.args = vec!["-c".into(), script];
    spec.env = BTreeMap::from([("PATH".into(), PATH.into())]);
    spec.grace = Duration::from_millis(200);
    let mut process = launcher.start(spec).await.expect("a shim");
    while let Some(output) = process.next_output().await {
        if output.line == b"up" {
            use std::io::Write;
            write!(std::io::stdout(), "program is up")
                .and_then(|()| std::io::stdout().flush())
                .expect("a reader");
        }
    }
}

#[tokio::test]
async fn kill_minus_nine_of_the_launcher_leaves_nothing() {
    for launcher in launchers().await {
        let place = Place::new();
        let mut holder = Holder::start(
            &place,
            &format!("{DAEMONS} echo up; while :; do sleep MARK; done"),
            launcher.confinement(),
        );
        place.expect_survivors(9, Duration::from_secs(5)).await;
        let killed = clock::instant();
        holder.child.kill().expect("killed");
        holder.child.wait().expect("reaped");
        place.expect_survivors(0, Duration::from_secs(2)).await;
        assert!(killed.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_frozen_launcher_does_not_keep_its_program_alive() {
    for launcher in launchers().await {
        let place = Place::new();
        let holder = Holder::start(
            &place,
            &format!("{DAEMONS} echo up; while :; do sleep MARK; done"),
            launcher.confinement(),
        );
        place.expect_survivors(9, Duration::from_secs(3)).await;
        let pid = rustix::process::Pid::from_child(&holder.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("frozen");
        let frozen = clock::instant();
        place.expect_survivors(0, Duration::from_secs(8)).await;
        assert!(frozen.elapsed() > Duration::from_secs(1), "it was the deadline that ended it");
    }
}

fn host(program: &str, args: &[&str]) -> HostSpec {
    HostSpec {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        env: BTreeMap::from([("PATH".into(), PATH.into())]),
        cwd: Path::new("/").into(),
        stdin: Vec::new(),
        deadline: Duration::from_secs(20),
        max_output: 1 << 20,
        outward: false,
    }
}

#[tokio::test]
async fn host_commands_are_fed_bounded_and_killed_as_a_tree() {
    let launcher = Launcher::new(BINARY).await.expect("a launcher");
    let mut cat = host("sh", &["-c", "cat; env >&2; exit 3"]);
    cat.stdin = vec![b'x'; 500_000];
    let output = launcher.run_host(cat).await.expect("it runs");
    assert_eq!((output.code, output.stdout.len()), (3, 500_000));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .lines()
            .all(|l| ["PATH=", "PWD=", "_=", "SHLVL="].iter().any(|k| l.starts_with(k)))
    );
    let gone = launcher.run_host(host("no-such-program", &[])).await.expect_err("not there");
    assert!(matches!(&gone, HostError::Start { reason, .. } if reason.contains("No such file")), "{gone}");
    let flood = launcher.run_host(host("head", &["-c", "2000000", "/dev/zero"])).await.expect_err("too much");
    assert!(matches!(flood, HostError::TooMuchOutput { .. }), "{flood}");
    let place = Place::new();
    let script = format!("setsid sleep {0} & exec >&- 2>&-; sleep {0}; sleep {0}", place.mark);
    let mut slow = host("sh", &["-c", &script]);
    slow.deadline = Duration::from_millis(500);
    let start: Instant = clock::instant();
    let late = launcher.run_host(slow).await.expect_err("too slow");
    assert!(matches!(late, HostError::Deadline { .. }), "{late}");
    assert!(start.elapsed() < Duration::from_secs(2));
    place.expect_survivors(0, Duration::from_secs(3)).await;
}

#[tokio::test]
async fn a_command_line_confines_what_somebody_else_starts() {
    for launcher in launchers().await {
        let place = Place::new();
        let env = BTreeMap::from([("PATH".into(), PATH.into()), ("A".into(), "b c".into())]);
        let words = launcher.command_line(&[], &env, "sh");
        let mut spec = host(words[0].to_str().expect("UTF-8"), &[]);
        spec.args = words[1..].to_vec();
        let script = format!("env; (setsid sleep {} &); echo pid $$; exit 5", place.mark);
        spec.args.extend(["-c".into(), script.into()]);
        spec.env.insert("SECRET".into(), "s".into());
        let output = launcher.run_host(spec).await.expect("it runs");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.code, 5, "{out}{}", String::from_utf8_lossy(&output.stderr));
        assert!(out.contains("A=b c\n") && !out.contains("SECRET"), "{out}");
        assert_eq!(out.contains("pid 1\n"), launcher.confinement() != Confinement::Subreaper, "{out}");
        place.expect_survivors(0, Duration::from_secs(2)).await;
    }
}
