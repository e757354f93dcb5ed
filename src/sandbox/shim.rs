//! The shim (hidden subcommand `agent-shim`): owns one program's process tree, its limits and its deadline.
//!
//! Two stages where a PID namespace is allowed: the outer one, a child of the runner, and the first process of the namespace, which runs the program. When
//! either dies, the kernel kills everything inside. Without namespaces one stage does it all as subreaper. Both stages share the socket to the launcher
//! (their standard input) and the program's output streams (their own).

use super::namespace::{self, Confinement};
use super::raw::keep_descriptors_from_children;
use super::tree;
use super::watch::{Hold, Watch};
use super::wire::{self, Order, Report};
use crate::clock;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getppid, getrlimit,
    pidfd_open, set_child_subreaper, set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
    setsid, wait,
};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The words of this program that start itself again.
const OWN_BINARY: &str = "/proc/self/exe";
/// How long the launcher may take to send its order.
const ORDER_LIMIT: Duration = Duration::from_secs(30);
/// How long a sweep may take before what is left is reported as it is.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);
/// The exit code of a shim that failed at its own work.
const FAILED: i32 = 70;

/// Runs the shim; `args` are the words after `agent-shim`. Must be called before any other thread exists (no async runtime yet). Returns the exit code.
pub fn shim_main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args: Vec<OsString> = args.into_iter().collect();
    let words: Vec<&str> = args.iter().filter_map(|a| a.to_str()).collect();
    let done = match words.as_slice() {
        ["run", confinement, parent] => with(confinement, |c| outer(c, parent)),
        ["init", confinement, outside] => with(confinement, |c| inner(c, outside)),
        ["probe", confinement] => with(confinement, probe),
        ["probe-init", confinement, outside] => {
            with(confinement, |c| namespace::settle(c, &OsString::from(outside)).map(|()| 0))
        }
        _ => Err(io::Error::other("this subcommand is for the launcher alone")),
    };
    done.unwrap_or_else(|error| {
        // Standard error is the program's stream; a line there ends up in the attempt's log.
        let _ = writeln!(io::stderr(), "divisi agent-shim: {error}");
        FAILED
    })
}

fn with(word: &str, stage: impl FnOnce(Confinement) -> io::Result<i32>) -> io::Result<i32> {
    stage(Confinement::parse(word).ok_or_else(|| io::Error::other("unknown confinement"))?)
}

/// Dies with the thread that started us. The signal is armed first and the parent looked at afterwards: in between it may have died unheard.
pub(super) fn die_with_parent(parent: &str) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let expected = parent.parse().ok().and_then(Pid::from_raw);
    if expected.is_none() || getppid() != expected {
        return Err(io::Error::other("the process that started this one is gone"));
    }
    Ok(())
}

/// A session of its own: no terminal, and no signal for our process group reaches it.
pub(super) fn own_session() -> io::Result<()> {
    // Who leads a session already is refused, and has what it needs. Asking beats looking: `getsid` answers 0 for a session whose leader lives outside this
    // PID namespace (a container entered from outside), and rustix does not allow for that.
    match setsid() {
        Ok(_) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The stage in the runner's own namespaces.
fn outer(confinement: Confinement, parent: &str) -> io::Result<i32> {
    own_session()?;
    keep_descriptors_from_children()?;
    if confinement == Confinement::Subreaper {
        // Killed, a subreaper leaves its tree behind. So it does not ask to die with the launcher: it sees the socket's end, kills the tree and then goes.
        set_child_subreaper(Pid::from_raw(1))?;
        return own_tree(confinement);
    }
    die_with_parent(parent)?;
    let outside = namespace::pid_namespace()?;
    namespace::enter(confinement)?;
    let status = first_process(&["agent-shim", "init", confinement.as_str()], &outside)?;
    match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => Ok(code),
        // The kernel's out-of-memory killer, for one: the first process could not report, so this one does.
        (None, signal) => {
            report(&control()?, &Report::Ended { code: None, signal: signal.or(Some(9)), deadline: false })?;
            Ok(0)
        }
    }
}

/// Starts the first process of the namespace that was just entered and waits for its end, which is the end of all processes in there.
fn first_process(words: &[&str], outside: &OsString) -> io::Result<std::process::ExitStatus> {
    let mut command = Command::new(OWN_BINARY);
    command.args(words).arg(outside).env_clear();
    #[expect(
        clippy::disallowed_methods,
        reason = "a shim has one thread and forks for itself; it lives as long as its child"
    )]
    command.status()
}

/// Tries a confinement: enters it and lets its first process look around.
fn probe(confinement: Confinement) -> io::Result<i32> {
    let outside = namespace::pid_namespace()?;
    namespace::enter(confinement)?;
    Ok(first_process(&["agent-shim", "probe-init", confinement.as_str()], &outside)?.code().unwrap_or(FAILED))
}

/// The first process of the namespace.
fn inner(confinement: Confinement, outside: &str) -> io::Result<i32> {
    // The parent cannot be looked at from in here (it has no number): its death before this line shows as the end of the socket, which the launcher closes.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    namespace::settle(confinement, &OsString::from(outside))?;
    own_tree(confinement)
}

fn control() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

pub(super) fn report(mut control: &UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    control.write_all(&line)
}

/// Runs the program and does not return before its whole tree is gone or is about to go with this process.
fn own_tree(confinement: Confinement) -> io::Result<i32> {
    let mut control = control()?;
    control.set_read_timeout(Some(ORDER_LIMIT))?;
    let (order, stdin) = wire::read_order(&mut control)?;
    // A program of the same user can neither trace this process nor read its memory.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let mut hold = Hold::new(order.fence);
    if !hold.until_open(&mut control) {
        report(&control, &Report::Ended { code: None, signal: Some(9), deadline: false })?;
        return Ok(0);
    }
    let main = match start(&order, &stdin) {
        Ok(pid) => pid,
        Err(error) => {
            let text = match error.kind() {
                io::ErrorKind::NotFound => format!("the program `{}` was not found", order.program),
                io::ErrorKind::PermissionDenied => {
                    format!("the program `{}` may not be run: {error}", order.program)
                }
                _ => format!("the program `{}` could not be started: {error}", order.program),
            };
            report(&control, &Report::NotStarted(text))?;
            return Ok(0);
        }
    };
    drop(stdin);
    let handle = pidfd_open(main, PidfdFlags::empty())?;
    report(&control, &Report::Started)?;
    let late = Arc::new(AtomicBool::new(false));
    let watch = Watch {
        control: control.try_clone()?,
        main: handle,
        end: clock::instant() + Duration::from_millis(order.deadline_ms),
        grace: Duration::from_millis(order.grace_ms),
        confinement,
        hold,
        late: Arc::clone(&late),
        frozen: None,
        terminating: false,
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(move || watch.run())?;
    let status = reap_until(main)?;
    if confinement == Confinement::Subreaper {
        tree::kill_descendants(i32::try_from(std::process::id()).unwrap_or(i32::MAX), SWEEP_LIMIT, reap_dead);
    }
    let ended = Report::Ended {
        code: status.exit_status(),
        signal: status.terminating_signal(),
        deadline: late.load(Ordering::Acquire),
    };
    // A launcher that is gone reads no reports.
    let _ = report(&control, &ended);
    // As the first process of a namespace: returning kills everything else in it, and the outer stage is told once all is gone.
    Ok(0)
}

/// Starts the program with exactly what the order says.
fn start(order: &Order, stdin: &[u8]) -> io::Result<Pid> {
    if !order.cwd.is_dir() {
        return Err(io::Error::other(format!(
            "its working directory `{}` is not there",
            order.cwd.display()
        )));
    }
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let hard = getrlimit(Resource::Nofile).maximum;
    let files = hard.map_or(order.max_open_files, |hard| hard.min(order.max_open_files));
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: Some(files) })?;
    rustix::thread::set_no_new_privs(true)?;
    // When the machine runs out of memory, a guest goes before the host. Not everywhere allowed, and not needed.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    let mut command = Command::new(&order.program);
    command
        .args(&order.args)
        .env_clear()
        .envs(&order.env)
        .current_dir(&order.cwd)
        .process_group(0)
        .stdin(input(stdin)?);
    #[expect(
        clippy::disallowed_methods,
        reason = "a shim has one thread and forks for itself; it lives as long as its child"
    )]
    let child = command.spawn()?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the program got no process number"))
}

/// The program's standard input: a file in memory, so that nobody has to write on while it does not read.
fn input(bytes: &[u8]) -> io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(Stdio::from(file))
}

/// Collects the dead until `main` is among them.
fn reap_until(main: Pid) -> io::Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => return Ok(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn reap_dead() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
