//! Confinement for a program that somebody else starts (hidden subcommand `sandbox-exec`).
//!
//! Two uses: a program in an agent's reach that git starts on our behalf (`--upload-pack`), which gets the launcher's confinement; and the host's own
//! commands, which get a session of their own and die with us, and nothing else.

use super::namespace::{self, Confinement};
use super::raw::keep_descriptors_from_children;
use super::shim::{die_with_parent, own_session};
use super::tree;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, set_child_subreaper, set_parent_process_death_signal, setrlimit,
};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::time::Duration;

/// The exit code of a shell for a program that could not be started; [`CANNOT_START`] begins the line on standard error then.
pub(super) const NOT_STARTED: i32 = 127;
/// How that line begins.
pub(super) const CANNOT_START: &str = "divisi sandbox-exec: cannot start: ";
/// What separates our words from the program's.
const SEPARATOR: &str = "--";

/// Runs the program; `args` are the words after `sandbox-exec`. Must be called before any other thread exists. Returns only on failure or with the
/// program's exit code (128 + n for signal n).
pub fn exec_main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let mut args = args.into_iter();
    let own: Vec<OsString> = args.by_ref().take_while(|a| a != SEPARATOR).collect();
    let program: Vec<OsString> = args.collect();
    let done = match own.iter().filter_map(|a| a.to_str()).collect::<Vec<_>>().as_slice() {
        ["host", parent] => host(parent, &program),
        ["run", confinement, env @ ..] => parse(confinement).and_then(|c| confine(c, env, &program)),
        ["init", confinement, outside] => parse(confinement).and_then(|c| first(c, outside, &program)),
        _ => Err(io::Error::other("this subcommand is for the launcher alone")),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{CANNOT_START}{error}");
        NOT_STARTED
    })
}

fn parse(word: &str) -> io::Result<Confinement> {
    Confinement::parse(word).ok_or_else(|| io::Error::other("unknown confinement"))
}

fn command(words: &[OsString]) -> io::Result<Command> {
    let (program, args) = words.split_first().ok_or_else(|| io::Error::other("no program was named"))?;
    let mut command = Command::new(program);
    command.args(args);
    Ok(command)
}

/// Becomes the program, which returns only when that failed.
fn become_it(words: &[OsString]) -> io::Result<i32> {
    let error = command(words)?.exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", words[0].display())))
}

/// A command of the host's own: environment and directory are as the caller set them.
fn host(parent: &str, program: &[OsString]) -> io::Result<i32> {
    own_session()?;
    keep_descriptors_from_children()?;
    die_with_parent(parent)?;
    become_it(program)
}

/// The outer stage of a confined program. It stays as its parent, so that its death takes the program along.
fn confine(confinement: Confinement, env: &[&str], program: &[OsString]) -> io::Result<i32> {
    own_session()?;
    keep_descriptors_from_children()?;
    // Who starts this is a shell or git, whose number nobody knows here. If it is gone already, the program finds its pipes closed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let outside = namespace::pid_namespace()?;
    namespace::enter(confinement)?;
    if confinement == Confinement::Subreaper {
        set_child_subreaper(Pid::from_raw(1))?;
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(["sandbox-exec", "init", confinement.as_str()]).arg(&outside).arg(SEPARATOR).args(program);
    command.env_clear().envs(env.iter().filter_map(|pair| pair.split_once('=')));
    #[expect(
        clippy::disallowed_methods,
        reason = "this stage has one thread and forks for itself; it lives as long as its child"
    )]
    let status = command.status()?;
    if confinement == Confinement::Subreaper {
        tree::kill_descendants(
            i32::try_from(std::process::id()).unwrap_or(i32::MAX),
            Duration::from_secs(2),
            || (),
        );
    }
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

/// The stage that becomes the program: the first process of its namespace, where there is one.
fn first(confinement: Confinement, outside: &str, program: &[OsString]) -> io::Result<i32> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    namespace::settle(confinement, &OsString::from(outside))?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::thread::set_no_new_privs(true)?;
    become_it(program)
}

/// The words that start `program` confined. See [`Launcher::command_line`](super::Launcher::command_line).
pub(super) fn words<'a>(
    exe: &std::path::Path,
    confinement: Confinement,
    env: impl Iterator<Item = (&'a String, &'a String)>,
    program: &str,
) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        vec![exe.into(), "sandbox-exec".into(), "run".into(), confinement.as_str().into()];
    words.extend(env.map(|(name, value)| OsString::from(format!("{name}={value}"))));
    words.extend([SEPARATOR.into(), program.into()]);
    debug_assert!(words.iter().all(|w| !w.as_bytes().contains(&0)));
    words
}
